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

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    flatline: {
      watch_scheme: function (_, store) {
        if (watched === null) {
          watched = new MutationObserver(() => follow(store));
          watched.observe(root, { attributeFilter: ["data-mantine-color-scheme"] });
        }
        document.body.setAttribute("data-ag-theme-mode", scheme() || "light");
        return scheme() || window.dash_clientside.no_update;
      },
    },
  });
})();
