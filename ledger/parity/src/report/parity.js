"use strict";
// The page is whole without this: it only adds the filter, and shows on the axis which turn is pointed at.
const box = document.getElementById("only-differing");
if (document.querySelector(".turn.differs") && document.querySelector(".turn:not(.differs)")) {
  box.parentElement.hidden = false;
  box.addEventListener("change", () => document.body.classList.toggle("only-differing", box.checked));
}
for (const turn of document.querySelectorAll(".turn")) {
  const bar = document.querySelector(`a[href="#${turn.id}"]`);
  if (bar) {
    turn.addEventListener("pointerenter", () => bar.classList.add("lit"));
    turn.addEventListener("pointerleave", () => bar.classList.remove("lit"));
    bar.addEventListener("click", () => {
      if (box.checked && !turn.classList.contains("differs")) box.click();
    });
  }
}
