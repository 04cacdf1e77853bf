// The one cursor: the slider, the number beside it, the keys, the lines across figures; and the address that keeps it.
(function () {
  const set = (id, props) => window.dash_clientside.set_props(id, props);
  const keep = () => window.dash_clientside.no_update;
  const state = { at: null, last: 1, newest: 0, evaluations: [], zoom: null };
  const KEPT = ["clip", "class", "map", "method", "baseline", "beside", "beside_iteration"];
  let waiting = null; // a move that the figures have not been told of yet

  const standing = () => (state.at === null ? state.newest : state.at);

  function read_address(href) {
    const query = new URLSearchParams(new URL(href || window.location.href).search);
    const whole = (name) => (/^\d{1,15}$/.test(query.get(name) || "") ? Number(query.get(name)) : null);
    const [first, last] = [whole("from"), whole("to")];
    clearTimeout(waiting); // the way here took the move along
    waiting = null;
    state.at = whole("iteration");
    state.zoom = first !== null && last !== null && last > first ? [first, last] : null;
    for (const name of KEPT) state[name] = query.get(name);
    return [state.at, state.zoom, ...KEPT.map((name) => state[name])];
  }

  function query() {
    const others = new URLSearchParams(window.location.search);
    for (const name of ["iteration", "from", "to", ...KEPT]) others.delete(name);
    const words = [...others].map(([name, value]) => [name, value]);
    if (state.at !== null) words.push(["iteration", state.at]);
    if (state.zoom) words.push(["from", state.zoom[0]], ["to", state.zoom[1]]);
    for (const name of KEPT) if (state[name]) words.push([name, state[name]]);
    const quoted = ([name, value]) =>
      `${name}=${name === "runs" ? rawRuns() : encodeURIComponent(value)}`;
    return words.map(quoted).join("&");
  }

  // Names of runs are quoted one by one, with commas between them.
  function rawRuns() {
    return (/[?&]runs=([^&]*)/.exec(window.location.search) || ["", ""])[1];
  }

  function write_address(stood, zoom, ...choices) {
    const at = waiting === null ? stood : state.at; // moved on since: the rest of what it says holds
    const chosen = Object.fromEntries(KEPT.map((name, place) => [name, choices[place] ?? null]));
    const changed = Object.fromEntries(KEPT.map((name) => [name, (state[name] ?? null) !== chosen[name]]));
    stale({ iteration: state.at !== at, ...changed });
    Object.assign(state, { at: at ?? null, zoom: zoom ?? null, ...chosen });
    const words = query();
    const next = window.location.pathname + (words ? `?${words}` : "");
    if (next !== window.location.pathname + window.location.search) window.history.replaceState(null, "", next);
    const all = document.getElementById("unzoom");
    if (all) all.hidden = !state.zoom;
    draw();
  }

  // What a figure shows of another iteration or clip is dimmed until its own has come.
  function stale(changed) {
    for (const name of Object.keys(changed).filter((key) => changed[key])) {
      document.querySelectorAll(`.card[data-asks~="${name}"]`).forEach((card) => card.classList.add("stale"));
    }
  }

  function place_cursor(at, cursor) {
    if (waiting === null) state.at = at ?? null;
    if (!cursor) return [keep(), keep(), keep(), keep()];
    Object.assign(state, { known: true, last: Math.max(1, cursor.last), newest: cursor.newest, evaluations: cursor.evaluations });
    draw();
    return [Math.min(standing(), state.last), state.last, standing(), state.last];
  }

  // By hand: figures follow when the hand rests, the lines at once.
  function slid(value) {
    if (!Number.isFinite(value) || value === Math.min(standing(), state.last) || value === standing()) return;
    go(value, 120);
  }

  function go(value, rest = 0) {
    const to = Math.max(0, Math.min(state.last, Math.round(value)));
    state.at = to === state.newest ? null : to;
    stale({ iteration: true });
    draw();
    set("iteration", { value: to });
    set("iteration-number", { value: to });
    const at = state.at;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      waiting = null;
      set("at", { data: at });
    }, rest);
  }

  function evaluation(step) {
    const here = standing();
    const found = step > 0 ? state.evaluations.find((one) => one > here) : state.evaluations.findLast((one) => one < here);
    if (found !== undefined) go(found);
  }

  // Lines over the figures: a shape of the figure itself would be drawn anew with it, at each step of the cursor.
  function draw() {
    document.querySelectorAll('.card[data-axis="iteration"]').forEach((card) => line(card, standing()));
  }

  function line(card, value) {
    const graph = card.querySelector(".js-plotly-plot");
    const layout = graph && graph._fullLayout;
    const area = card.querySelector(".figure");
    if (!layout || !layout._size || !area) return;
    const places = value === null || !graph.data?.length ? [] : spots(layout, value);
    const lines = [...area.querySelectorAll(":scope > .cursor-line")];
    while (lines.length > places.length) lines.pop().remove();
    while (lines.length < places.length) {
      const made = document.createElement("div");
      made.className = "cursor-line";
      lines.push(area.appendChild(made));
    }
    const top = `${layout._size.t}px`;
    const height = `${layout._size.h}px`;
    places.forEach((left, place) => Object.assign(lines[place].style, { left: `${left}px`, top, height }));
  }

  function spots(layout, value) {
    const found = new Set();
    for (const name of Object.keys(layout).filter((key) => /^xaxis\d*$/.test(key))) {
      const axis = layout[name];
      const pixel = axis.l2p ? axis.l2p(value) : NaN;
      if (pixel >= 0 && pixel <= axis._length) found.add(Math.round(axis._offset + pixel));
    }
    return [...found];
  }

  // Playing sound moves the cursor of the figures over time; a click into one moves the sound.
  const sound = () => document.getElementById("clip-audio");

  function listen() {
    const audio = sound();
    const at = audio && audio.getAttribute("src") ? audio.currentTime : null;
    document.querySelectorAll('.card[data-axis="time"]').forEach((card) => line(card, at));
  }

  function frame() {
    listen();
    if (sound() && !sound().paused) window.requestAnimationFrame(frame);
  }

  document.addEventListener("play", (event) => event.target === sound() && frame(), true);
  window.setInterval(() => {
    draw();
    listen();
    clicks();
  }, 150); // figures come, grow and are zoomed without a word to us

  function clicks() {
    document.querySelectorAll('.card[data-axis="time"] .js-plotly-plot').forEach((graph) => {
      if (graph.dataset.seeks || !graph.on) return;
      graph.dataset.seeks = "yes";
      graph.on("plotly_click", (event) => {
        const x = event.points?.[0]?.x;
        if (sound() && Number.isFinite(x)) sound().currentTime = x;
      });
    });
  }

  const BUTTONS = {
    "previous-evaluation": () => evaluation(-1),
    "next-evaluation": () => evaluation(1),
    "previous-iteration": () => go(standing() - 1),
    "next-iteration": () => go(standing() + 1),
    unzoom: () => set("zoom", { data: null }),
  };

  const KEYS = {
    ArrowLeft: (event) => go(standing() - (event.shiftKey ? 10 : 1), 120),
    ArrowRight: (event) => go(standing() + (event.shiftKey ? 10 : 1), 120),
    PageDown: () => evaluation(-1),
    PageUp: () => evaluation(1),
    Home: () => go(0),
    End: () => go(state.newest),
    " ": () => (sound().paused ? sound().play() : sound().pause()),
  };

  const PAGING = ["PageDown", "PageUp", "Home", "End"];

  function isFor(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return false;
    if (event.target.closest("input, textarea, select, [contenteditable], .ag-root, audio")) return false;
    if (event.key === " ") return Boolean(sound()?.getAttribute("src")) && !event.target.closest("button, a");
    if (PAGING.includes(event.key) && !event.shiftKey) return false; // they move the page, for those who read by keys
    return KEYS[event.key] && document.getElementById("controls")?.hidden === false;
  }

  document.addEventListener("keydown", (event) => {
    if (!isFor(event)) return;
    event.preventDefault();
    event.stopPropagation(); // a slider that was clicked has keys of its own, which mean something else
    KEYS[event.key](event);
  }, true);

  // Ways between pages keep the cursor, the zoom and what is chosen, as long as they lead to the same run.
  function target(link) {
    const address = new URL(link.href, window.location.href);
    const root = (path) => path.split("/").slice(0, 3).join("/");
    const same = address.pathname.startsWith("/run/") && root(address.pathname) === root(window.location.pathname);
    return address.pathname + (same && !address.search && query() ? `?${query()}` : address.search);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && BUTTONS[button.id]) BUTTONS[button.id]();
    if (button?.dataset.iteration) go(Number(button.dataset.iteration));
    const link = event.target.closest("a.page-link");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    window.history.pushState({}, "", target(link));
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  });

  document.addEventListener("mouseover", (event) => {
    const link = event.target.closest("a.page-link");
    if (link && !link.dataset.own) link.setAttribute("href", target(link));
  });

  window.flatline = { last: () => (state.known ? state.last : NaN) };

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.flatline = Object.assign({}, window.dash_clientside.flatline, {
    read_address,
    write_address,
    place_cursor,
    slid,
  });
})();
