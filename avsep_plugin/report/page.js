"use strict";
// The page knows its clips from the JSON block. One player shows the chosen one: a silent picture, the same with the heat map, and one
// element for each sound. All of them run together, and all sounds but one are muted; so to switch is to unmute another one, in place.

const clips = JSON.parse(document.getElementById("clips").textContent);
const byId = new Map(clips.map((clip) => [clip.id, clip]));

function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "rect", "line", "g", "defs", "pattern", "circle", "polyline"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const within = (value, low, high) => Math.min(Math.max(value, low), high);
const minus = (text) => String(text).replace("-", "−");
const level = (value, unit) => (value === null ? "–" : `${minus(value.toFixed(1))}\u00a0${unit}`);

function time(seconds, digits = 1) {
  const tenths = Math.round(seconds * 10 ** digits) / 10 ** digits;
  const [hours, minutes, rest] = [Math.floor(tenths / 3600), Math.floor(tenths / 60) % 60, tenths % 60];
  const last = rest.toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${last}` : `${minutes}:${last}`;
}

// ---- several media elements on one clock -----------------------------------------------------------------------------------------------

const NEAR = 0.015; // seconds between two elements that nobody notices
const FAR = 0.08; // beyond this an element is set to its place, below it runs a little faster or slower until it is there

class Ensemble {
  // The sound that is heard is the clock; where it is silent (before its start, after its end), the picture; without one, the computer's.
  constructor(duration, tell) {
    [this.duration, this.tell, this.parts, this.heard, this.playing] = [duration, tell, [], null, false];
    [this.base, this.since] = [0, 0]; // the last place that was set, and when
  }

  add(element, start, length, isSound) {
    element.addEventListener("error", () => this.tell());
    element.addEventListener("loadedmetadata", () => { if (!this.playing) this.place(part, this.base); });
    const part = { element, start, length, isSound };
    this.parts.push(part);
    if (this.playing) this.follow(part, this.now());
    return part;
  }

  covers(part, at) {
    return !part.element.error && at >= part.start && at < part.start + part.length - 0.02;
  }

  clock() {
    const runs = (part) => part && part.element.readyState >= 2 && !part.element.paused && !part.element.seeking && !part.element.ended;
    if (runs(this.heard)) return this.heard;
    return this.parts.find((part) => !part.isSound && runs(part)) || null;
  }

  now() {
    if (!this.playing) return this.base;
    const clock = this.clock();
    const at = clock ? clock.start + clock.element.currentTime : this.base + (performance.now() - this.since) / 1000;
    return within(at, 0, this.duration);
  }

  mark(at) {
    [this.base, this.since] = [at, performance.now()];
  }

  place(part, at) {
    part.element.playbackRate = 1;
    part.element.currentTime = within(at - part.start, 0, part.length);
  }

  seek(at) {
    this.mark(within(at, 0, this.duration));
    for (const part of this.parts) this.place(part, this.base);
    if (this.playing) for (const part of this.parts) this.follow(part, this.base);
    this.tell();
  }

  play() {
    if (this.playing) return;
    if (this.base > this.duration - 0.05) this.mark(0);
    this.playing = true;
    this.mark(this.base);
    for (const part of this.parts) { this.place(part, this.base); this.follow(part, this.base); }
    this.timer = setInterval(() => this.tick(), 60);
    this.tell();
  }

  pause() {
    const at = this.now();
    this.playing = false;
    clearInterval(this.timer);
    this.mark(at);
    for (const part of this.parts) { part.element.pause(); this.place(part, at); }
    this.tell();
  }

  choose(part) {
    for (const one of this.parts) if (one.isSound) one.element.muted = one !== part;
    const at = this.now();
    this.heard = part;
    if (!this.playing || !part) return;
    if (Math.abs(part.start + part.element.currentTime - at) > 0.04 && this.covers(part, at)) this.place(part, at);
    part.element.playbackRate = 1;
    this.mark(at);
  }

  follow(part, at) {
    const element = part.element;
    if (!this.covers(part, at)) { if (!element.paused) element.pause(); return; }
    if (element.paused) {
      this.place(part, at);
      element.play().catch(() => {}); // a pause may come before it has begun
      return;
    }
    if (element.seeking || element.readyState < 2) return;
    const ahead = part.start + element.currentTime - at;
    if (Math.abs(ahead) > FAR) this.place(part, at);
    else element.playbackRate = Math.abs(ahead) < NEAR ? 1 : within(1 - ahead, 0.92, 1.08);
  }

  tick() {
    const clock = this.clock(), at = this.now();
    this.mark(at);
    for (const part of this.parts) if (part !== clock) this.follow(part, at);
    if (at >= this.duration - 0.03) { this.pause(); this.mark(this.duration); }
    this.tell();
  }

  close() {
    this.playing = false;
    clearInterval(this.timer);
    for (const { element } of this.parts) { element.pause(); element.removeAttribute("src"); element.load(); element.remove(); }
  }
}

// ---- the viewer ------------------------------------------------------------------------------------------------------------------------

const viewer = document.getElementById("viewer");
const wishes = { sound: "original", heat: false }; // what was chosen stays chosen from clip to clip
let shown = null; // { clip, ensemble, ... } of the chosen clip

function open(clip) {
  const wasPlaying = shown !== null && shown.ensemble.playing;
  if (shown) shown.ensemble.close();
  const ensemble = new Ensemble(clip.duration, () => draw());
  shown = { clip, ensemble, sounds: new Map(), heat: null };
  viewer.scrollTop = 0;
  viewer.replaceChildren(title(clip), ...(clip.message ? [] : player(clip)), ...details(clip));
  if (clip.message) return;
  for (const sound of clip.sounds) shown.sounds.set(sound.key, ensemble.add(media("audio", sound.url, { "data-key": sound.key }), sound.start, sound.length, true));
  choose(shown.sounds.has(wishes.sound) ? wishes.sound : clip.sounds.length ? clip.sounds[0].key : null, false);
  showHeat(wishes.heat);
  if (wasPlaying) ensemble.play();
  draw();
}

function media(tag, url, more = {}) {
  const element = make(tag, { src: url, preload: "auto", playsinline: true, ...more });
  element.muted = true;
  if (tag === "audio") viewer.append(element);
  return element;
}

function title(clip) {
  const marks = clip.flags.filter((flag) => flag.kind !== "warnings").map((flag) => [flag.level, flag.label, flag.detail]);
  for (const text of clip.warnings) if (!clip.flags.some((flag) => flag.kind !== "warnings" && flag.detail === text)) marks.push(["look", "Warning", text]);
  const lines = marks.map(([kind, label, text]) => make("p", { class: "said" }, make("span", { class: `flag ${kind}` }, label), text));
  return make("div", { class: "title" }, make("h2", {}, clip.name), make("p", { class: "soft path" }, clip.source), lines.length ? make("div", { class: "marks" }, ...lines) : null);
}

function player(clip) {
  const parts = [];
  if (clip.picture || clip.overlay) parts.push(stage(clip));
  parts.push(transport(clip), soundButtons(clip), timeline(clip));
  return parts;
}

function stage(clip) {
  const video = media("video", clip.picture || clip.overlay, { class: "picture", "aria-label": "Picture", poster: clip.stills.length && !clip.picture ? clip.stills[0][1] : null });
  shown.ensemble.add(video, 0, clip.duration, false);
  return make("div", { class: clip.ratio && clip.ratio < 1 ? "stage tall" : "stage", onclick: toggle }, video);
}

function transport(clip) {
  const heat = clip.picture && clip.overlay
    ? make("button", { type: "button", class: "chip", id: "heat", "aria-pressed": "false", title: "Heat map over the picture (h)", onclick: () => showHeat(!wishes.heat) }, "Heat map")
    : null;
  return make("div", { class: "transport" },
    make("button", { type: "button", id: "play", class: "round", "aria-label": "Play", title: "Play, pause (space)", onclick: toggle }, icon("M8 5.5v13l10.5-6.5z")),
    make("span", { class: "clock", id: "clock" }),
    make("span", { class: "soft", id: "under" }),
    heat);
}

function icon(shape) {
  return make("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, make("path", { d: shape }));
}

function soundButtons(clip) {
  const buttons = clip.sounds.map((sound, index) => make("button",
    { type: "button", class: `sound ${sound.kind}`, "data-key": sound.key, "aria-pressed": "false", title: `${sound.label} (${index + 1})`, onclick: () => choose(sound.key) },
    make("span", { class: "name" }, sound.label, make("kbd", { "aria-hidden": "true" }, index + 1)),
    make("span", { class: "level" }, level(sound.lufs, "LUFS"))));
  return make("div", { class: "sounds", role: "group", "aria-label": "Sound" }, ...buttons);
}

function timeline(clip) {
  const slider = make("div", { class: "track", id: "track", role: "slider", tabindex: 0, "aria-label": "Position", "aria-valuemin": 0, "aria-valuemax": clip.duration.toFixed(1) },
    make("div", { class: "wave", id: "wave" }),
    clip.windows.length ? strip(clip) : null,
    make("div", { class: "head", id: "head" }));
  slider.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    slider.setPointerCapture(event.pointerId);
    shown.ensemble.seek(place(event));
  });
  slider.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) shown.ensemble.seek(place(event));
    say(place(event));
  });
  slider.addEventListener("pointerleave", () => say(null));
  const place = (event) => {
    const box = slider.getBoundingClientRect();
    return within((event.clientX - box.left) / box.width, 0, 1) * clip.duration;
  };
  const stills = make("div", { class: "stills" }, ...clip.stills.map(([seconds, address]) =>
    make("button", { type: "button", title: time(seconds), "aria-label": `Go to ${time(seconds)}`, onclick: () => shown.ensemble.seek(seconds) }, make("img", { src: address, alt: "" }))));
  return make("div", { class: "timeline" }, slider, clip.stills.length ? stills : null);
}

function strip(clip) {
  // How well sound and picture match: a bar for each window, as high as the probability; hatched where the shot was left untouched.
  const scale = 1000 / clip.duration;
  const bars = clip.windows.map(([start, end, probability, abstained]) => make("rect", {
    x: (start * scale).toFixed(2), width: Math.max(0.5, (end - start) * scale - 1).toFixed(2), y: (40 * (1 - probability)).toFixed(2), height: Math.max(1, 40 * probability).toFixed(2),
    class: abstained ? "left" : "bar", "fill-opacity": abstained ? 1 : (0.25 + 0.75 * probability).toFixed(3) }));
  const hatch = make("defs", {}, make("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, make("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "hatch" })));
  return make("div", { class: "strip", id: "strip" },
    make("svg", { viewBox: "0 0 1000 40", preserveAspectRatio: "none", role: "img", "aria-label": "How well sound and picture match over time" }, hatch, ...bars, make("line", { x1: 0, x2: 1000, y1: 20, y2: 20, class: "half" })),
    make("span", { class: "caption" }, clip.calibrated ? "Match" : "Match, uncalibrated"));
}

function wave(clip, sound) {
  const count = sound.outline.length;
  if (!count || !clip.duration) return make("svg");
  const [left, width] = [1000 * sound.start / clip.duration, 1000 * sound.length / clip.duration];
  const heights = Array.from(sound.outline, (digit) => Math.max(0.5, (parseInt(digit, 36) / 35) ** 1.6 * 30));
  const at = (index) => (left + (index * width) / Math.max(1, count - 1)).toFixed(1);
  const top = heights.map((height, index) => `${at(index)} ${(32 - height).toFixed(1)}`);
  const bottom = heights.map((height, index) => `${at(index)} ${(32 + height).toFixed(1)}`).reverse();
  return make("svg", { viewBox: "0 0 1000 64", preserveAspectRatio: "none", "aria-hidden": "true", class: sound.kind }, make("path", { d: `M${top.concat(bottom).join("L")}Z` }));
}

function details(clip) {
  const parts = [];
  if (clip.sounds.length) parts.push(part("Loudness", loudness(clip)));
  if (clip.sync) parts.push(part("Sync", sync(clip.sync)));
  const aside = [];
  if (clip.files.length) aside.push(more("Files", make("ul", { class: "files" }, ...clip.files.map(([kind, name, address]) => make("li", {}, make("span", { class: "soft" }, kind), make("a", { href: address }, name))))));
  if (clip.facts.length) aside.push(more("How it was made", make("dl", { class: "facts" }, ...clip.facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))))));
  if (aside.length) parts.push(make("div", {}, ...aside));
  return parts.length ? [make("div", { class: "details" }, ...parts)] : [];
}

function part(name, content) {
  return make("section", {}, make("h3", {}, name), content);
}

function more(name, content) {
  return make("details", {}, make("summary", {}, name), content);
}

function loudness(clip) {
  const first = clip.sounds[0].lufs;
  const rows = clip.sounds.map((sound, index) => make("tr", {}, make("th", { scope: "row" }, sound.label), make("td", {}, level(sound.lufs, "LUFS")),
    make("td", { class: "soft" }, index && first !== null && sound.lufs !== null ? `${sound.lufs - first < 0 ? "" : "+"}${level(sound.lufs - first, "LU")}` : ""),
    make("td", {}, level(sound.peak, "dB")), make("td", { class: sound.clipped ? "warn" : "soft" }, sound.clipped ? `${sound.clipped}× clipped` : "")));
  return make("table", { class: "levels" }, make("thead", {}, make("tr", {}, ...["", "Integrated", "Change", "Peak", ""].map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...rows));
}

function sync(found) {
  const told = found.offset === null ? "Not to be told: no offset stands out." : Math.abs(found.offset) < 0.0005 ? "In sync" : `Sound ${Math.abs(Math.round(1000 * found.offset))} ms ${found.offset > 0 ? "late" : "early"}`;
  const parts = [make("p", {}, make("b", {}, told), make("span", { class: "soft" }, ` · confidence ${Math.round(100 * found.confidence)} %`))];
  if (found.curve.length > 1) {
    const [low, high] = [found.curve[0][0], found.curve[found.curve.length - 1][0]];
    const scores = found.curve.map((point) => point[1]);
    const [least, most] = [Math.min(...scores), Math.max(...scores)];
    const x = (offset) => (1000 * (offset - low)) / (high - low || 1), y = (score) => 54 - (48 * (score - least)) / (most - least || 1);
    const lines = [make("polyline", { points: found.curve.map(([offset, score]) => `${x(offset).toFixed(1)},${y(score).toFixed(1)}`).join(" ") })];
    if (low < 0 && high > 0) lines.unshift(make("line", { x1: x(0), x2: x(0), y1: 0, y2: 60, class: "half" }));
    if (found.offset !== null) lines.push(make("line", { x1: x(found.offset), x2: x(found.offset), y1: 0, y2: 60, class: "found" }));
    parts.push(make("svg", { viewBox: "0 0 1000 60", preserveAspectRatio: "none", class: "curve", role: "img", "aria-label": "Score over the offset" }, ...lines),
      make("p", { class: "ends soft" }, make("span", {}, `${minus(Math.round(1000 * low))} ms`), make("span", {}, `${minus(Math.round(1000 * high))} ms`)));
  }
  return make("div", {}, ...parts);
}

function choose(key, isWish = true) {
  if (!shown || !shown.sounds.has(key)) return;
  if (isWish) wishes.sound = key;
  shown.key = key;
  shown.ensemble.choose(shown.sounds.get(key));
  for (const button of viewer.querySelectorAll(".sound")) button.setAttribute("aria-pressed", String(button.dataset.key === key));
  const sound = shown.clip.sounds.find((one) => one.key === key);
  document.getElementById("wave").replaceChildren(wave(shown.clip, sound));
}

function showHeat(on) {
  const button = document.getElementById("heat");
  if (!button) return;
  wishes.heat = on;
  button.setAttribute("aria-pressed", String(on));
  if (on && !shown.heat) {
    shown.heat = media("video", shown.clip.overlay, { class: "heat", "aria-label": "Picture with heat map" });
    viewer.querySelector(".stage").append(shown.heat);
    shown.ensemble.add(shown.heat, 0, shown.clip.duration, false);
  }
  if (shown.heat) shown.heat.hidden = !on;
}

function toggle() {
  if (!shown || shown.clip.message) return;
  if (shown.ensemble.playing) shown.ensemble.pause();
  else shown.ensemble.play();
}

function say(at) {
  const under = document.getElementById("under");
  if (!under) return;
  const found = at === null ? null : shown.clip.windows.find(([start, end]) => at >= start && at < end);
  under.textContent = at === null ? "" : `${time(at)}${found ? ` · match ${Math.round(100 * found[2])} %${found[3] ? ", left untouched" : ""}` : ""}`;
}

let drawn = "";
function draw() {
  if (!shown || shown.clip.message || !document.getElementById("clock")) return;
  const { ensemble, clip } = shown;
  const at = ensemble.now();
  document.getElementById("clock").textContent = `${time(at)} / ${time(clip.duration)}`;
  document.getElementById("head").style.left = `${clip.duration ? (100 * at) / clip.duration : 0}%`;
  const track = document.getElementById("track");
  track.setAttribute("aria-valuenow", at.toFixed(1));
  track.setAttribute("aria-valuetext", time(at));
  const state = `${clip.id} ${ensemble.playing}`;
  const broken = ensemble.parts.find((one) => one.element.error && (!one.isSound || one === ensemble.heard));
  viewer.classList.toggle("broken", Boolean(broken));
  if (state === drawn) return;
  drawn = state;
  const play = document.getElementById("play");
  play.setAttribute("aria-label", ensemble.playing ? "Pause" : "Play");
  play.replaceChildren(icon(ensemble.playing ? "M7 5.5h3.5v13H7zM13.5 5.5H17v13h-3.5z" : "M8 5.5v13l10.5-6.5z"));
}

// ---- the list --------------------------------------------------------------------------------------------------------------------------

const rows = document.getElementById("rows");
const allRows = [...rows.children];
const search = document.getElementById("search");
const filter = { text: "", kind: "" };
const clipOf = (row) => byId.get(Number(row.dataset.id));
const visible = () => [...rows.children].filter((row) => !row.hidden);

function select(row, scroll = true) {
  if (!row) return;
  for (const other of allRows) { if (other === row) other.setAttribute("aria-current", "true"); else other.removeAttribute("aria-current"); }
  drawn = "";
  open(clipOf(row));
  const those = visible();
  document.getElementById("status").textContent = `${clipOf(row).name}, ${those.indexOf(row) + 1} of ${those.length}`;
  if (scroll) row.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const those = visible();
  const index = those.findIndex((row) => row.hasAttribute("aria-current"));
  select(those[index < 0 ? 0 : within(index + by, 0, those.length - 1)]);
}

function narrow() {
  for (const row of allRows) {
    const clip = clipOf(row);
    const text = `${clip.name} ${clip.where} ${clip.source} ${clip.flags.map((flag) => flag.label).join(" ")}`.toLowerCase();
    row.hidden = !filter.text.split(/\s+/).every((word) => text.includes(word)) || (filter.kind !== "" && !clip.flags.some((flag) => flag.kind === filter.kind));
  }
  document.getElementById("empty").hidden = visible().length > 0;
}

function sortBy(key, header) {
  const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of document.querySelectorAll("thead th[aria-sort]")) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  const value = (clip) => (key === "name" ? clip.name : key === "sync" ? (clip.sync ? clip.sync.offset : null) : key === "duration" && clip.message ? null : clip[key]);
  const compare = (a, b) => {
    const [left, right] = [value(clipOf(a)), value(clipOf(b))];
    if (left === null || right === null) return (left === null) - (right === null); // what has no value comes last, whatever the direction
    return direction * (typeof left === "string" ? left.localeCompare(right, undefined, { numeric: true }) : left - right);
  };
  rows.append(...allRows.sort(compare));
}

rows.addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (!row) return;
  select(row, false);
  if (matchMedia("(max-width: 60rem)").matches) viewer.scrollIntoView({ block: "start" });
});
for (const button of document.querySelectorAll("thead button")) button.addEventListener("click", () => sortBy(button.dataset.sort, button.closest("th")));
for (const chip of document.querySelectorAll(".chip[data-kind]")) chip.addEventListener("click", () => {
  for (const other of document.querySelectorAll(".chip[data-kind]")) other.setAttribute("aria-pressed", String(other === chip));
  filter.kind = chip.dataset.kind;
  narrow();
});
search.addEventListener("input", () => { filter.text = search.value.trim().toLowerCase(); narrow(); });

// ---- keys and colours ------------------------------------------------------------------------------------------------------------------

const help = document.getElementById("help");
const root = document.documentElement;

function setTheme(theme) {
  if (theme) root.dataset.theme = theme;
  try { localStorage.setItem("avsep-theme", theme); } catch { /* not everywhere allowed from the disk */ }
}
try { const kept = localStorage.getItem("avsep-theme"); if (kept === "light" || kept === "dark") root.dataset.theme = kept; } catch { /* as above */ }

function otherTheme() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  setTheme(dark ? "light" : "dark");
}
document.getElementById("theme").addEventListener("click", otherTheme);
document.getElementById("keys").addEventListener("click", () => help.showModal());

const KEYS = {
  j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1), " ": toggle, h: () => showHeat(!wishes.heat), t: otherTheme,
  "/": () => search.focus(), "?": () => help.showModal(),
  ArrowLeft: (event) => shown && shown.ensemble.seek(shown.ensemble.now() - (event.shiftKey ? 5 : 1)),
  ArrowRight: (event) => shown && shown.ensemble.seek(shown.ensemble.now() + (event.shiftKey ? 5 : 1)),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const on = event.target;
  if (on === search) {
    if (event.key === "Escape" || event.key === "Enter") { search.blur(); event.preventDefault(); }
    return;
  }
  if (event.key === " " && on.matches("button, a, summary")) return; // space presses the button on which the keyboard is
  const digit = /^[1-9]$/.test(event.key) && shown ? shown.clip.sounds[Number(event.key) - 1] : null;
  const action = digit ? () => choose(digit.key) : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action(event);
});

// A button that was clicked with the mouse does not keep the keyboard: space plays again.
document.addEventListener("click", (event) => {
  const button = event.detail > 0 ? event.target.closest("button, summary") : null;
  if (button) button.blur();
});

addEventListener("resize", () => draw());
select(allRows.find((row) => !clipOf(row).message) || allRows[0], false);
