// Cells of the runs table that are more than text.
(function () {
  const cells = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  const make = (...parts) => window.React.createElement(...parts);

  // Of an arm, which stands below the run that was tried, only what its name has more.
  cells.RunLink = function (props) {
    const { address, arm_of: run, is_arm: isArm, changed } = props.data;
    const shown = isArm && props.value.startsWith(run) ? props.value.slice(run.length) : props.value;
    const title = isArm ? `${props.value}: ${run} with ${changed}` : props.value;
    return make("a", { href: address, className: "page-link run-name", title }, shown);
  };

  // The gradient norm from the first iteration to the last, on a logarithmic scale of its own.
  cells.Curve = function (props) {
    const values = (props.value || []).map((value) => (value === null ? NaN : value));
    const known = values.filter(Number.isFinite);
    if (known.length < 2) return make("span", { className: "dimmed" }, "–");
    const high = Math.max(...known);
    const low = Math.min(...known, high - 4);
    const at = (value, place) =>
      `${((place * 98) / (values.length - 1) + 1).toFixed(1)} ${(25 - (24 * (value - low)) / (high - low)).toFixed(1)}`;
    let path = "";
    values.forEach((value, place) => {
      if (Number.isFinite(value)) path += `${Number.isFinite(values[place - 1]) ? "L" : "M"}${at(value, place)}`;
    });
    return make(
      "svg",
      { width: 100, height: 28, viewBox: "0 0 100 28", role: "img", "aria-label": "gradient norm over the run" },
      make("path", { d: path, fill: "none", stroke: "currentColor", strokeWidth: 1.4 }),
    );
  };
})();
