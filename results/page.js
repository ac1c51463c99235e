"use strict";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const runs = read("facts");
const { drums, stepsPerBar, secondsPerStep, templates, sounds } = read("settings");

// Pictures: drawn when they come into sight, in the colours of the reader's theme.

const dark = matchMedia("(prefers-color-scheme: dark)");
const template = () => templates[dark.matches ? "dark" : "light"];
const drawers = new Map(); // by element, what draws its picture
const drawn = new Set();

const sight = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      sight.unobserve(target);
      drawers.get(target)();
    }
  },
  { rootMargin: "400px" },
);

function whenSeen(element, drawer) {
  drawers.set(element, drawer);
  sight.observe(element);
}

async function draw(plot, { data, layout }, config = {}) {
  const settled = { displayModeBar: false, responsive: true, ...config };
  await Plotly.react(plot, data, { ...layout, template: template() }, settled);
  drawn.add(plot);
}

dark.addEventListener("change", () => drawn.forEach((plot) => Plotly.relayout(plot, { template: template() })));

for (const picture of document.querySelectorAll(".picture")) {
  const spec = JSON.parse(picture.querySelector("script").textContent);
  whenSeen(picture, async () => {
    const plot = picture.querySelector(".plot");
    await draw(plot, spec);
    plot.on("plotly_click", ({ points }) => {
      picture.dispatchEvent(new CustomEvent("point", { detail: points[0].pointIndex, bubbles: true }));
    });
  });
}

// Beats: a grid each, and its sound.

const hits = (combination) => drums.filter((_, drum) => (combination >> drum) & 1);

function grid({ combinations, primer_steps: primer = 0 }) {
  const bars = [...Array(Math.ceil(combinations.length / stepsPerBar)).keys()];
  const line = { type: "line", yref: "paper", y0: 0, y1: 1, line: { color: "#8a9099", width: 1 } };
  const shade = { type: "rect", yref: "paper", y0: 0, y1: 1, line: { width: 0 }, fillcolor: "#8a909940" };
  return {
    data: [
      {
        type: "heatmap",
        y: drums,
        z: drums.map((_, drum) => combinations.map((combination) => (combination >> drum) & 1)),
        zmin: 0,
        zmax: 1,
      },
    ],
    layout: {
      height: 156,
      margin: { l: 0, r: 1, t: 0, b: 20 },
      xaxis: {
        showgrid: false,
        zeroline: false,
        tickvals: bars.map((bar) => (bar + 0.5) * stepsPerBar - 0.5),
        ticks: "",
        ticktext: bars.map((bar) => `${bar + 1}`),
        range: [-0.5, combinations.length - 0.5],
      },
      yaxis: { showgrid: false, zeroline: false, showticklabels: false, ticks: "" },
      shapes: [
        ...bars.map((bar) => ({ ...line, x0: bar * stepsPerBar - 0.5, x1: bar * stepsPerBar - 0.5 })),
        ...(primer ? [{ ...shade, x0: -0.5, x1: primer - 0.5 }] : []),
      ],
    },
  };
}

const beats = new Map(); // by .beat element, the example that it shows
let context; // the browser lets a page make sound once its reader has pressed something
let playing = null; // the beat that sounds and its sources

function show(beat) {
  return draw(beat.querySelector(".plot"), grid(beats.get(beat)), { staticPlot: true });
}

for (const beat of document.querySelectorAll(".beat")) {
  beat.querySelector(".drums").append(
    ...drums.toReversed().map((drum) => Object.assign(document.createElement("li"), { textContent: drum })),
  );
  beat.querySelector(".play")?.addEventListener("click", () => (playing?.beat === beat ? stop() : play(beat)));
  const { run, model, example } = beat.dataset;
  if (example) beats.set(beat, runs[run].models[model].examples[example]);
  whenSeen(beat, () => show(beat));
}

for (const space of document.querySelectorAll(".latent")) {
  const { points } = runs[space.dataset.run].models[space.dataset.model].latent;
  const plot = space.querySelector(".picture .plot");
  const beat = space.querySelector(".beat");
  const slider = space.querySelector("input");
  const choose = (at) => {
    if (playing?.beat === beat) stop();
    const { song } = points[at];
    const title = `Window ${at + 1} of ${points.length}${song ? ` · ${song}` : ""}`;
    slider.value = at;
    slider.setAttribute("aria-valuetext", title);
    space.querySelector("output").textContent = at + 1;
    beat.querySelector(".title").textContent = title;
    beat.querySelector(".play")?.setAttribute("aria-label", `Play: ${title}`);
    beats.set(beat, points[at]);
    if (drawn.has(plot)) Plotly.restyle(plot, { selectedpoints: [[at]] });
    if (drawn.has(beat.querySelector(".plot"))) show(beat);
  };
  choose(0);
  space.addEventListener("point", ({ detail }) => choose(detail));
  slider.addEventListener("input", () => choose(slider.valueAsNumber));
}

async function decoded(context) {
  const buffers = Object.entries(sounds).map(async ([drum, mp3]) => {
    const bytes = Uint8Array.from(atob(mp3), (letter) => letter.charCodeAt(0));
    return [drum, await context.decodeAudioData(bytes.buffer)];
  });
  return new Map(await Promise.all(buffers));
}

/** Every hit at its sixteenth from `start` on. Returns the sources, which may be stopped. */
function schedule(context, buffers, combinations, start) {
  const loudness = new GainNode(context, { gain: 0.5 });
  const limiter = new DynamicsCompressorNode(context, { threshold: -6, knee: 0, ratio: 20, attack: 0.001 });
  loudness.connect(limiter).connect(context.destination);
  return combinations.flatMap((combination, step) =>
    hits(combination)
      .filter((drum) => buffers.has(drum))
      .map((drum) => {
        const source = new AudioBufferSourceNode(context, { buffer: buffers.get(drum) });
        source.connect(loudness);
        source.start(start + step * secondsPerStep);
        return source;
      }),
  );
}

async function play(beat) {
  stop();
  const turn = (playing = { beat, sources: [] });
  beat.classList.add("playing");
  beat.querySelector(".play").textContent = "Stop";
  context ??= new AudioContext();
  context.buffers ??= decoded(context);
  await context.resume();
  const buffers = await context.buffers;
  if (playing !== turn) return;
  const start = context.currentTime + 0.05;
  const { combinations } = beats.get(beat);
  turn.sources = schedule(context, buffers, combinations, start);
  follow(turn, start, combinations.length);
}

/** Moves the cursor with the sound until its end. */
function follow(turn, start, steps) {
  if (playing !== turn) return;
  const step = Math.floor((context.currentTime - start) / secondsPerStep);
  if (step >= steps) return stop();
  const [box, stage, cursor] = [".scroll", ".stage", ".cursor"].map((part) => turn.beat.querySelector(part));
  cursor.hidden = step < 0;
  cursor.style.width = `${100 / steps}%`;
  cursor.style.left = `${(100 * step) / steps}%`;
  if (stage.offsetWidth > box.clientWidth) box.scrollLeft = (stage.offsetWidth * step) / steps - box.clientWidth / 3;
  requestAnimationFrame(() => follow(turn, start, steps));
}

function stop() {
  if (!playing) return;
  playing.sources.forEach((source) => source.stop());
  playing.beat.classList.remove("playing");
  playing.beat.querySelector(".play").textContent = "Play";
  playing.beat.querySelector(".cursor").hidden = true;
  playing = null;
}
