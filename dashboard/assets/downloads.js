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

  function points(trace, number) {
    const name = plain(trace.name || `trace ${number}`);
    if (trace.type === "heatmap") return grid(trace, name);
    const xs = Array.from(trace.x || []);
    const ys = Array.from(trace.y || []);
    return ys.map((y, place) => [name, xs[place] ?? place, y, ""]);
  }

  // Colours may be of a logarithm that is cut: the values themselves then stand beside them.
  function grid(trace, name) {
    const values = trace.customdata && trace.customdata.length === trace.z.length ? trace.customdata : trace.z;
    const rows = [];
    for (let down = 0; down < values.length; down += 1) {
      for (let across = 0; across < trace.x.length; across += 1) {
        const value = values[down][across];
        rows.push([name, trace.x[across], trace.y[down], Array.isArray(value) ? value[0] : value]);
      }
    }
    return rows;
  }

  function csv(graph) {
    const rows = graph._fullData.filter((trace) => trace.visible === true).flatMap(points);
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
