// The list of all units: found, ordered and drawn as far as one has scrolled.
(() => {
  "use strict";
  const AT_ONCE = 60;
  const AHEAD_PX = 1500;
  const [LAYER, CHANNEL, ACTIVATION, SHOWN, SELECTIVITY, CAPTION, CLASSES, IMAGES, PATCH, PICTURE] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const { layers, classes, units } = window.ATLAS;
  const element = (id) => document.getElementById(id);
  const [grid, search, layer, sort] = ["grid", "search", "layer", "sort"].map(element);
  let found = units;
  let drawn = 0;

  // What is searched: `layer4:161`, parts of labels; numbers match the start of the channel's.
  const texts = units.map((unit) => {
    const labels = unit[CLASSES].map(([at]) => classes[at]).join("\n");
    return (layers[unit[LAYER]].name + "\n" + labels).toLowerCase();
  });
  const matcher = (word) => {
    if (/^\d+$/.test(word)) return (unit) => String(unit[CHANNEL]).startsWith(word);
    const pair = /^(.+):(\d+)$/.exec(word);
    if (pair) return (unit) => layers[unit[LAYER]].name.toLowerCase() === pair[1] && unit[CHANNEL] === Number(pair[2]);
    return (unit, text) => text.includes(word);
  };

  const select = () => {
    const tests = search.value.toLowerCase().split(/\s+/).filter(Boolean).map(matcher);
    const only = layer && layer.value !== "" ? Number(layer.value) : null;
    found = units.filter((unit, at) =>
      (only === null || unit[LAYER] === only) && tests.every((test) => test(unit, texts[at])));
    const column = { activation: ACTIVATION, selectivity: SELECTIVITY }[sort.value];
    // The units come by layer and channel; sorting keeps that order among equals.
    const value = (unit) => (unit[column] === null ? -Infinity : unit[column]);
    if (column) found.sort((a, b) => value(b) - value(a) || 0);
  };

  const make = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const picture = (file, className, alt) => {
    const image = make("img", className);
    Object.assign(image, { loading: "lazy", decoding: "async", width: 160, height: 160, alt, src: file });
    return image;
  };
  // The class that describes the unit, or that none does. Whoever searches for another class sees how far it is there.
  const caption = (unit) => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const asked = unit[CLASSES].find(([at], place) => {
      const known = place === 0 && unit[CAPTION] && unit[CAPTION].startsWith(classes[at] + " ");
      return !known && words.some((word) => classes[at].toLowerCase().includes(word));
    });
    const parts = [unit[CAPTION], asked && `${classes[asked[0]]} ${asked[1]}/${unit[IMAGES]}`];
    return parts.filter(Boolean).join(", ");
  };
  const card = (unit) => {
    const { name, path } = layers[unit[LAYER]];
    const label = caption(unit);
    const link = make("a", "card");
    link.href = `units/${path}/${unit[CHANNEL]}.html`;
    const tile = make("span", "tile");
    if (unit[PATCH]) tile.append(picture(unit[PATCH], "patch", `Best patch of ${name} ${unit[CHANNEL]}: ${label}`));
    if (unit[PICTURE]) tile.append(picture(unit[PICTURE], "picture", `Visualisation of ${name} ${unit[CHANNEL]}`));
    const level = make("span", "selectivity");
    level.style.setProperty("--level", unit[SELECTIVITY] ?? 0);
    level.title = unit[SELECTIVITY] === null ? "" : `class selectivity ${unit[SELECTIVITY].toFixed(2)}`;
    const line = make("span", "line");
    const title = make("span", "title");
    title.append(make("b", "", unit[CHANNEL]));
    // Of which layer goes without saying where there is one, or one was chosen.
    if (layers.length > 1 && !layer.value) title.append(make("span", "muted", " " + name));
    const score = make("span", "muted", unit[SHOWN] ?? "");
    score.title = "highest activation";
    line.append(title, score);
    link.append(tile, level, line, make("span", "label", label));
    return link;
  };

  const draw = () => {
    const next = found.slice(drawn, drawn + AT_ONCE);
    drawn += next.length;
    const cards = document.createDocumentFragment();
    for (const unit of next) cards.append(card(unit));
    grid.append(cards);
  };
  // Cards are there well before they are scrolled to, so that nobody waits for them.
  const fill = () => {
    const near = () => element("more").getBoundingClientRect().top < innerHeight + AHEAD_PX;
    while (drawn < found.length && near()) draw();
  };

  const show = () => {
    select();
    drawn = 0;
    grid.replaceChildren();
    fill();
    const noun = units.length === 1 ? "unit" : "units";
    element("count").textContent =
      found.length === units.length ? `${units.length} ${noun}` : `${found.length} of ${units.length} ${noun}`;
    element("nothing").hidden = found.length > 0;
  };

  // What is asked for is part of the address, so that it can be linked and the way back leads to it.
  const remember = () => {
    const asked = new URLSearchParams();
    if (search.value) asked.set("q", search.value);
    if (layer && layer.value) asked.set("layer", layer.value);
    if (sort.value !== "channel") asked.set("sort", sort.value);
    history.replaceState(null, "", "#" + asked);
  };
  const recall = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    search.value = asked.get("q") || "";
    if (layer) layer.value = asked.get("layer") || "";
    // Class selectivity was once called specificity; links to it may be older.
    const order = asked.get("sort") === "specificity" ? "selectivity" : asked.get("sort");
    sort.value = order || "channel";
    if (sort.selectedIndex < 0) sort.value = "channel";
    if (layer && layer.selectedIndex < 0) layer.value = "";
    if (asked.has("search")) search.focus();
    show();
  };
  const changed = () => {
    remember();
    show();
    scrollTo(0, 0);
  };
  const clear = () => {
    search.value = "";
    changed();
  };

  // The card beside the one in focus, or the first that can be seen.
  const go = (step) => () => {
    const cards = grid.children;
    const here = Array.prototype.indexOf.call(cards, document.activeElement);
    const seen = () => Array.prototype.findIndex.call(cards, (one) => one.getBoundingClientRect().top >= 60);
    const at = here < 0 ? Math.max(0, seen()) : Math.min(cards.length - 1, Math.max(0, here + step()));
    if (at + 20 > cards.length && drawn < found.length) draw();
    if (cards[at]) {
      cards[at].focus({ preventScroll: true });
      cards[at].scrollIntoView({ block: "nearest" });
    }
  };
  const columns = () => getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  window.pageKeys = {
    "/": () => { search.focus(); search.select(); },
    j: go(() => 1),
    k: go(() => -1),
    ArrowRight: go(() => 1),
    ArrowLeft: go(() => -1),
    ArrowDown: go(columns),
    ArrowUp: go(() => -columns()),
    Escape: () => {
      if (search.value) clear();
      document.activeElement.blur();
    },
  };
  search.addEventListener("input", changed);
  for (const choice of [layer, sort]) if (choice) choice.addEventListener("change", changed);
  element("clear").addEventListener("click", clear);
  addEventListener("hashchange", recall);
  addEventListener("scroll", fill, { passive: true });
  addEventListener("resize", fill);
  recall();
})();
