// Runs in the page before anything of it: at which frame something is to be seen, by the page's own clock.
window.bench = (function () {
  const at = {};
  const event = {};
  for (const type of ["click", "keydown", "mouseup"]) {
    window.addEventListener(type, (one) => (event[type] = one.timeStamp), true);
  }

  const graph = (id) => document.querySelector(`#${id} .js-plotly-plot`);
  const marks = ".heatmaplayer image, .scatterlayer path.js-line, .barlayer .point";
  const picture = (id) => graph(id)?.querySelector(".heatmaplayer image")?.href.baseVal || "";

  // A figure with its data, not the empty one that waits for it.
  function drawn(id) {
    const plot = graph(id);
    return Boolean(plot?._fullLayout?.title?.text && plot._fullData?.length && plot.querySelector(marks));
  }

  const place = (id) => graph(id)?.querySelector(".heatmaplayer image")?.getAttribute("x") || "";
  const columns = (id) => String([0, 1].map((place) => graph(id)?._fullData?.[0]?.x?.[place]));
  const line = (id) => document.querySelector(`.card[data-graph="${id}"] .cursor-line`)?.style.left || "";
  const title = (id) => (drawn(id) ? graph(id)._fullLayout.title.text : "");

  // TensorBoard draws in a worker, out of sight: when its first series is there, and ticks to go with it.
  function charted() {
    const answers = performance.getEntriesByType("resource").filter((one) => one.name.endsWith("/timeSeries"));
    return answers.some((one) => one.responseEnd > 0) && Boolean(document.querySelector("line-chart canvas, line-chart path"));
  }

  // What must change for something to have happened, and what must hold then.
  const SEEN = {
    drawn: [() => 0, (_, id) => drawn(id)],
    stretched: [place, (was, id) => place(id) !== was],
    finer: [(id) => [columns(id), picture(id)], (was, id) => columns(id) !== was[0] && picture(id) !== was[1]],
    moved: [line, (was, id) => line(id) !== "" && line(id) !== was],
    retitled: [(id) => title(id), (was, id) => title(id) !== "" && title(id) !== was],
    charted: [() => 0, charted],
    listed: [() => 0, () => document.querySelectorAll(".ag-center-cols-container .ag-row").length > 3],
  };

  // Look at every frame; what is true in one is painted with it, and seen by the next. Not the frame's own time, which
  // may lie before the event that it shows.
  function watch(name, kind, id) {
    const [before, holds] = SEEN[kind];
    const was = before(id);
    delete at[name];
    const look = () => {
      if (holds(was, id)) window.requestAnimationFrame(() => (at[name] = performance.now()));
      else window.requestAnimationFrame(look);
    };
    look();
  }

  return { at, event, watch };
})();
