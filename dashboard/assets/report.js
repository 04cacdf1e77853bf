// Unpacks and draws the figures of a report as they come into sight, in the theme that the reader's machine asks for.
// Needs no server: everything lies packed in the page. In the dashboard, where there is no report, it does nothing.
(async function () {
  const report = document.querySelector(".report");
  if (!report) return;

  const CONFIG = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "toImage"] };
  const PAPER_PX = 700; // what a sheet of A4 has between its margins
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const figures = new Map();

  function fail(error) {
    for (const place of document.querySelectorAll(".plot")) {
      place.textContent = `The figures cannot be drawn: ${error.message || error}`;
    }
  }

  async function unpacked(id) {
    const text = document.getElementById(id).textContent;
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  function themed(text, isDark) {
    const held = JSON.parse(text);
    for (const [path, value] of isDark ? held.dark : []) {
      const last = path.pop();
      path.reduce((at, key) => at[key], held.figure)[last] = value;
    }
    return held.figure;
  }

  // The zoom that the reader made stays, since the figure's uirevision does.
  function draw(place, isDark = dark.matches, width = null) {
    const { data, layout } = themed(figures.get(place.id), isDark);
    if (width) layout.width = width;
    return Plotly.react(place, data, layout, CONFIG);
  }

  const isDrawn = (place) => place.classList.contains("js-plotly-plot");

  async function show(place) {
    if (!figures.has(place.id)) figures.set(place.id, await unpacked(`${place.id}-packed`));
    if (!isDrawn(place)) {
      await draw(place);
      place.dispatchEvent(new Event("drawn"));
    }
  }

  function follow(audio) {
    const place = document.getElementById(audio.dataset.graph);
    if (!place) return;
    const line = document.createElement("div");
    line.className = "cursor-line";

    function move() {
      const axis = place._fullLayout?.xaxis;
      if (!axis) return;
      const x = axis.l2p(audio.currentTime);
      const { t, h } = place._fullLayout._size;
      const inside = x >= 0 && x <= axis._length;
      Object.assign(line.style, { left: `${axis._offset + x}px`, top: `${t}px`, height: `${h}px`, display: inside ? "" : "none" });
      if (line.parentNode !== place) place.append(line);
      if (!audio.paused) requestAnimationFrame(move);
    }

    for (const event of ["play", "seeked", "timeupdate"]) audio.addEventListener(event, move);
    place.addEventListener("drawn", () => {
      place.on("plotly_click", (clicked) => (audio.currentTime = Math.max(0, clicked.points[0].x)));
    });
  }

  function print(isPrinted) {
    for (const place of document.querySelectorAll(".plot[id]")) {
      if (figures.has(place.id) && (isPrinted || isDrawn(place))) {
        draw(place, !isPrinted && dark.matches, isPrinted ? PAPER_PX : null);
      }
    }
  }

  try {
    const code = document.createElement("script");
    code.textContent = await unpacked("plotly-packed");
    document.head.append(code);
    for (const audio of document.querySelectorAll("audio[data-same]")) {
      audio.src = document.getElementById(audio.dataset.same).src;
    }
    for (const audio of document.querySelectorAll("audio[data-graph]")) follow(audio);
    const seen = new IntersectionObserver(
      (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => show(entry.target).catch(fail)),
      { rootMargin: "800px" },
    );
    const places = [...document.querySelectorAll(".plot[id]")];
    for (const place of places) seen.observe(place);
    dark.addEventListener("change", () => places.filter(isDrawn).forEach((place) => draw(place)));
    window.addEventListener("beforeprint", () => print(true));
    window.addEventListener("afterprint", () => print(false));
    for (const place of places) { // so that printing, which waits for nothing, has them all
      if (!figures.has(place.id)) figures.set(place.id, await unpacked(`${place.id}-packed`));
    }
    report.dataset.ready = "true";
  } catch (error) {
    fail(error);
  }
})();
