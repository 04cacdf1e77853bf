// Colours, and the reader's view of each figure.
(function () {
  const root = document.documentElement;
  const keep = () => window.dash_clientside.no_update;
  let watched = null;

  function scheme() {
    return root.getAttribute("data-mantine-color-scheme");
  }

  // The grid reads its scheme from this attribute of the page, the figures are drawn in it by the server.
  function follow(store) {
    document.body.setAttribute("data-ag-theme-mode", scheme());
    window.dash_clientside.set_props(store, { data: scheme() });
  }

  function watch_scheme(_, store) {
    if (watched === null) {
      watched = new MutationObserver(() => follow(store));
      watched.observe(root, { attributeFilter: ["data-mantine-color-scheme"] });
    }
    document.getElementById("first-paint")?.remove();
    document.body.setAttribute("data-ag-theme-mode", scheme() || "light");
    return scheme() || keep();
  }

  const axes = (layout) => Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));
  const cardOf = (id) => document.querySelector(`.card[data-graph="${id}"]`);

  // A figure says how high it must be for its rows to be read; its place follows.
  function fit(id, height) {
    const place = document.getElementById(id);
    if (place && height) place.style.height = `${height}px`;
  }

  // A new figure with the axes where the reader has put them. Plotly's own uirevision would do it, but Dash 4.4 hands a
  // zoomed figure to Plotly a second time, which takes the zoom for the figure's own.
  function with_view(figure, id) {
    const card = cardOf(id);
    card?.classList.remove("stale");
    fit(id, figure.layout.height);
    const shown = document.querySelector(`#${id} .js-plotly-plot`);
    const old = shown && shown.layout;
    const same = old && old.uirevision && old.uirevision === figure.layout.uirevision;
    const byIteration = card?.dataset.axis === "iteration";
    const zoom = zoom_of_address();
    const layout = { ...figure.layout };
    for (const name of axes(layout)) {
      if (byIteration && name.startsWith("x")) {
        const span = zoom || page_span();
        if (span) layout[name] = { ...layout[name], range: [span[0] - 0.5, span[1] + 0.5], autorange: false };
        continue;
      }
      const alike = same && old[name] && (old[name].type || "linear") === (layout[name].type || "linear");
      if (alike && old[name].autorange === false) {
        layout[name] = { ...layout[name], range: [...old[name].range], autorange: false };
      }
    }
    return { ...figure, layout };
  }

  // From the first iteration to the last of the page's runs: every axis of iterations is as long, and so has the cursor.
  function page_span() {
    const last = window.flatline?.last();
    return Number.isFinite(last) ? [0, last] : null;
  }

  // As it is now: a figure may have waited since it came.
  function zoom_of_address() {
    const query = new URLSearchParams(window.location.search);
    return query.has("from") && query.has("to") ? [Number(query.get("from")), Number(query.get("to"))] : null;
  }

  // Figures that come together are put on the page one a frame: the first is seen at once, not with the last.
  const newest = {};
  let turn = Promise.resolve();

  function keep_view(figure, id) {
    if (!figure) {
      cardOf(id)?.classList.remove("stale");
      return keep();
    }
    const mine = (newest[id] = {});
    const shown = turn.then(() => placed(id)).then(() => (newest[id] === mine ? with_view(figure, id) : keep()));
    turn = shown.then(frame, frame);
    return shown;
  }

  // A tab that is not seen has no frames.
  const frame = () =>
    new Promise((done) => {
      window.requestAnimationFrame(() => setTimeout(done));
      setTimeout(done, 100);
    });

  // Dash 4.4 hands a figure that was zoomed back to Plotly, data and all, which draws it a second time just when the finer
  // one is to be asked for; a figure of ours never has the very data that are drawn.
  function without_echo() {
    const draw = window.Plotly?.react;
    if (!draw || draw.without_echo) return;
    const react = (graph, figure, ...more) =>
      figure?.data && figure.data === graph.data && graph._fullLayout ? Promise.resolve(graph) : draw(graph, figure, ...more);
    window.Plotly.react = Object.assign(react, { without_echo: true });
  }

  // Until there is a plot to put the figure into (Plotly itself may still be on its way), or the page has gone.
  async function placed(id) {
    for (let frames = 0; frames < 600 && cardOf(id) && !document.querySelector(`#${id} .js-plotly-plot`); frames += 1) {
      await frame();
    }
    without_echo();
  }

  // Every axis of iterations of a page shows the same stretch: what one figure is zoomed to, all are.
  function zoomed(event, zoom) {
    if (!event) return;
    const names = Object.keys(event).filter((key) => /^xaxis\d*\./.test(key));
    if (names.some((key) => key.endsWith(".autorange") && event[key])) {
      if (zoom) window.dash_clientside.set_props("zoom", { data: null });
      return;
    }
    const ends = [0, 1].map((end) => names.find((key) => key.endsWith(`.range[${end}]`))).map((key) => event[key]);
    const whole = names.find((key) => key.endsWith(".range"));
    const [first, last] = (whole ? event[whole] : ends).map(Number);
    if (!Number.isFinite(first) || !Number.isFinite(last)) return;
    const next = [Math.max(0, Math.ceil(first)), Math.max(1, Math.floor(last))];
    if (next[1] <= next[0]) next[1] = next[0] + 1;
    const all = page_span();
    if (all && next[0] <= all[0] && next[1] >= all[1]) {
      if (zoom) window.dash_clientside.set_props("zoom", { data: null });
      return;
    }
    if (!zoom || next[0] !== zoom[0] || next[1] !== zoom[1]) {
      window.dash_clientside.set_props("zoom", { data: next });
    }
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.flatline = Object.assign({}, window.dash_clientside.flatline, {
    watch_scheme,
    keep_view,
    zoomed,
  });
})();
