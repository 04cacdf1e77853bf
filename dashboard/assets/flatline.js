(function () {
  const root = document.documentElement;
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
    document.body.setAttribute("data-ag-theme-mode", scheme() || "light");
    return scheme() || window.dash_clientside.no_update;
  }

  // A new figure with the axes where the reader has put them in the one that is shown. Plotly's own uirevision would do
  // it, but Dash 4.4 hands a zoomed figure to Plotly a second time, which takes the zoom for the figure's own.
  function keep_view(figure, id) {
    const shown = document.querySelector(`#${id} .js-plotly-plot`);
    const old = shown && shown.layout;
    if (!figure || !old || !old.uirevision || old.uirevision !== figure.layout.uirevision) {
      return figure || window.dash_clientside.no_update;
    }
    const layout = { ...figure.layout };
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
      const same = old[name] && (old[name].type || "linear") === (layout[name].type || "linear");
      if (same && old[name].autorange === false) {
        layout[name] = { ...layout[name], range: [...old[name].range], autorange: false };
      }
    }
    return { ...figure, layout };
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, { flatline: { watch_scheme, keep_view } });
})();
