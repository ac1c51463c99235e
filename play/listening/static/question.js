"use strict";

const form = document.querySelector("form");
const notice = document.getElementById("notice");
const sides = ["a", "b"];
const heard = new Set();
let sent = false;

const clip = (side) => document.getElementById(side);
const choices = () => form.querySelectorAll("button[name=choice]");

function play(side) {
  const audio = clip(side);
  if (!audio.paused) {
    audio.pause();
    return;
  }
  sides.filter((other) => other !== side).forEach((other) => clip(other).pause());
  audio.currentTime = 0;
  audio.play().catch((error) => {
    // An AbortError is ours: paused before it began.
    if (error.name !== "AbortError") notice.textContent = `Beat ${side.toUpperCase()} cannot be played: ${error.message}`;
  });
}

function choose(choice) {
  const button = form.querySelector(`button[value=${choice}]`);
  if (button.disabled) notice.textContent = "Listen to both beats first.";
  else form.requestSubmit(button);
}

for (const side of sides) {
  const audio = clip(side);
  const button = document.querySelector(`.play[data-side=${side}]`);
  const progress = document.getElementById(`progress-${side}`);
  button.addEventListener("click", () => play(side));
  audio.addEventListener("playing", () => {
    button.classList.add("playing");
    button.querySelector(".state").textContent = "Stop";
    heard.add(side);
    if (heard.size === sides.length) {
      notice.textContent = "";
      choices().forEach((choice) => (choice.disabled = false));
    }
  });
  audio.addEventListener("pause", () => {
    button.classList.remove("playing");
    button.querySelector(".state").textContent = heard.has(side) ? "Play again" : "Play";
  });
  audio.addEventListener("timeupdate", () => (progress.value = audio.currentTime / audio.duration || 0));
  audio.addEventListener("error", () => {
    notice.textContent = `Beat ${side.toUpperCase()} could not be loaded; reload the page for another pair.`;
  });
}

form.addEventListener("submit", (event) => {
  if (sent) event.preventDefault();
  sent = true;
});

const actions = {
  1: () => play("a"),
  2: () => play("b"),
  a: () => play("a"),
  b: () => play("b"),
  s: () => choose("same"),
  arrowleft: () => choose("a"),
  arrowright: () => choose("b"),
  arrowdown: () => choose("same"),
};

document.addEventListener("keydown", (event) => {
  const action = actions[event.key.toLowerCase()];
  if (!action || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  action();
});
