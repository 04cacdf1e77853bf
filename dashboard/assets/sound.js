// One player, several sounds of the same length: the clip, and what of it a net used. Changing between them keeps the place.
(function () {
  const audio = () => document.getElementById("clip-audio");
  let sounds = null;
  let which = "original";
  let resume = null; // where the next sound goes on, until it is there

  // Changes what is heard. The browser alone does it: by way of the server, a beat would be lost.
  function hear(given, chosen) {
    const player = audio();
    if (!player) return;
    const same = Boolean(sounds && given && sounds.clip === given.clip);
    sounds = given;
    which = chosen || "original";
    const source = given ? given[which] || given.original : "";
    if (!source) return player.removeAttribute("src");
    if (player.getAttribute("src") === source) return;
    resume = same ? resume || { at: player.currentTime, plays: !player.paused && !player.ended } : null;
    player.setAttribute("src", source);
    player.load();
    for (const name of ["used", "beside"]) if (given[name]) fetch(given[name]).catch(() => null); // made, and in the cache
  }

  document.addEventListener("loadedmetadata", (event) => {
    if (event.target !== audio() || !resume) return;
    const { at, plays } = resume;
    resume = null;
    event.target.currentTime = at;
    if (plays) event.target.play().catch(() => null);
  }, true);

  // The next sound that there is.
  function next() {
    const there = ["original", "used", "beside"].filter((name) => sounds && sounds[name]);
    if (there.length < 2) return;
    const place = (there.indexOf(which) + 1) % there.length;
    window.dash_clientside.set_props("heard", { value: there[place] });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "b" || event.ctrlKey || event.metaKey || event.altKey || !sounds) return;
    if (event.target.closest("input:not([type=radio]), textarea, select, [contenteditable]")) return;
    if (audio()) next();
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.flatline = Object.assign({}, window.dash_clientside.flatline, { hear });
})();
