// The room: daylight and lamp flicker on the sensor.

import { $, say } from "./words.js";

export function setUp(link) {
  const form = $("room-form");
  link.on("hello", (hello) => show(hello.room));
  link.on("room", show);
  form.addEventListener("input", ({ target }) => link.send({ t: "room", [target.name]: Number(target.value) }));

  function show(room) {
    for (const input of form.elements) {
      if (!(input.name in room)) continue;
      if (input.type === "radio") input.checked = Number(input.value) === room[input.name];
      else {
        if (input !== document.activeElement) input.value = room[input.name];
        say(input.parentNode.querySelector("output"), `${Math.round(room[input.name] * 100)} %`);
      }
    }
  }
}
