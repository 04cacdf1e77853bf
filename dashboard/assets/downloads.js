// Saves what a figure shows: a picture, or its points. Needs nothing but Plotly, so that a report has it too.
(function () {
  const graphOf = (id) => {
    const place = document.getElementById(id);
    return place && (place.classList.contains("js-plotly-plot") ? place : place.querySelector(".js-plotly-plot"));
  };

  const cell = (value) => {
    const text = value === null || value === undefined || Number.isNaN(value) ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  const plain = (text) => String(text ?? "").replace(/<[^>]*>/g, "");

  // A place on an axis as the axis names it, where it names it.
  function named(graph, reference, value) {
    const axis = graph._fullLayout[reference.replace(/^([xy])/, "$1axis")] || {};
    const place = axis.tickvals && axis.ticktext ? Array.from(axis.tickvals).indexOf(value) : -1;
    return place < 0 ? value : plain(axis.ticktext[place]);
  }

  function points(graph, trace, number) {
    const name = plain(trace.name || `trace ${number}`);
    if (trace.type === "heatmap") return grid(graph, trace, name);
    if (trace.type === "bar") return bars(graph, trace, name);
    const xs = Array.from(trace.x || []);
    const ys = Array.from(trace.y || []);
    const x = (value) => named(graph, trace.xaxis || "x", value);
    const y = (value) => named(graph, trace.yaxis || "y", value);
    return ys.map((value, place) => [name, x(xs[place] ?? place), y(value), ""]);
  }

  // A bar has a name, and goes from one value to another: x is where it begins, value where it ends.
  function bars(graph, trace, name) {
    const lies = trace.orientation === "h";
    const [labels, lengths, axis] = lies ? [trace.y, trace.x, trace.yaxis || "y"] : [trace.x, trace.y, trace.xaxis || "x"];
    const base = (place) => Number((Array.isArray(trace.base) || ArrayBuffer.isView(trace.base) ? trace.base[place] : trace.base) || 0);
    return Array.from(lengths).map((length, place) => {
      const label = named(graph, axis, labels[place]);
      return lies ? [name, base(place), label, base(place) + length] : [name, label, base(place), base(place) + length];
    });
  }

  // Colours may be of a logarithm that is cut: the figure then says where the values themselves are.
  function grid(graph, trace, name) {
    const values = trace.meta?.values === "customdata" ? trace.customdata : trace.z;
    const across = middles(trace.x, values[0].length);
    const up = middles(trace.y, values.length);
    const y = up.map((value) => named(graph, trace.yaxis || "y", value));
    return y.flatMap((label, down) => across.map((x, place) => [name, x, label, values[down][place]]));
  }

  // Cells are given by their middles, or by their edges, of which there is one more.
  function middles(places, count) {
    const given = Array.from(places);
    if (given.length !== count + 1) return given;
    return given.slice(1).map((edge, place) => (Number(edge) + Number(given[place])) / 2);
  }

  function csv(graph) {
    const drawn = graph._fullData.filter((trace) => trace.visible === true);
    const rows = drawn.flatMap((trace, number) => points(graph, trace, number));
    return [["series", "x", "y", "value"], ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
  }

  function save(content, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function download(id, form) {
    const graph = graphOf(id);
    if (!graph || !graph._fullData) return;
    const filename = (document.querySelector("h1, h2")?.innerText || "flatline").replace(/[^\w.-]+/g, "-") + `-${id}`;
    if (form === "csv") save(csv(graph), `${filename}.csv`);
    else window.Plotly.downloadImage(graph, { format: form, filename, scale: form === "png" ? 2 : 1 });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.download");
    if (button) download(button.dataset.graph, button.dataset.form);
  });
})();
