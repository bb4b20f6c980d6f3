"""Draws a picture with its boxes, each a button that can be clicked, touched and reached by keyboard, and chips for the same.

Gives the part that was chosen; what stands in it is told by `identify_answer`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache

import streamlit as st
from words import _

from bioclip_search.render import BOX_COLOURS
from bioclip_search.seeing import Seen

WHOLE = -1  # the choice of the picture as a whole

CSS = """
.stage { position: relative; width: fit-content; max-width: 100%; margin-inline: auto; line-height: 0; }
.stage img { display: block; max-width: 100%; height: auto; border-radius: 0.5rem; }
.stage button { position: absolute; margin: 0; padding: 0; min-width: 1.5rem; min-height: 1.5rem; background: transparent; cursor: pointer;
  border: 3px solid var(--box); border-radius: 0.25rem; outline: 1px solid #18211D; }
.stage button:hover { background: color-mix(in srgb, var(--box) 18%, transparent); }
.stage button[aria-pressed="true"] { border-width: 5px; box-shadow: 0 0 0 2px #FFFFFF, 0 0 0 4px #18211D; }
.stage button:focus-visible { outline: 3px solid #FFFFFF; outline-offset: 3px; box-shadow: 0 0 0 7px #18211D; }
.stage span { position: absolute; left: 0; top: 0; padding: 0 0.4rem; font: 600 0.875rem/1.5rem var(--st-font, sans-serif);
  background: var(--box); color: #18211D; border-bottom-right-radius: 0.25rem; }
"""

JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const stage = parentElement.querySelector(".stage");
  const image = stage.querySelector("img");
  const source = "data:image/jpeg;base64," + data.jpeg;
  if (image.src !== source) image.src = source;
  image.alt = data.alt;
  image.style.width = `min(100%, ${data.width_rem}rem)`;
  const buttons = [...stage.querySelectorAll("button")];
  data.boxes.forEach((box, number) => {
    let button = buttons[number];
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.append(document.createElement("span"));
      stage.append(button);
    }
    button.onclick = () => setTriggerValue("box", box.number);
    button.firstChild.textContent = box.label;
    button.setAttribute("aria-label", box.told);
    button.title = box.told;
    button.setAttribute("aria-pressed", box.is_chosen);
    button.style.setProperty("--box", box.colour);
    ["left", "top", "width", "height"].forEach((side) => { button.style[side] = box[side] + "%"; });
    button.style.zIndex = box.layer;
  });
  buttons.slice(data.boxes.length).forEach((button) => button.remove());
}
"""

LOW_REM, BROAD_REM = 34, 60  # height and width, in the size of a letter, that a picture takes at most


@lru_cache(maxsize=1)
def _stage():
    """The picture with its buttons. Text from outside comes in as data only, and is set as text."""
    return st.components.v2.component("bioclip_search_stage", html='<div class="stage"><img></div>', css=CSS, js=JS)


def choose_part(key: str, name: str, seen: Seen, sure: Sequence[int], names: Sequence[str]) -> int:
    """The picture and the chips under it; gives the number of the box that was chosen, or `WHOLE`.

    Args:
        key: Of the picture, for the session.
        sure: The numbers of the boxes to draw.
        names: What stands in each of them, in words.
    """
    chips, stage = f"part-{key}", f"stage-{key}"
    if not sure:
        st.session_state.pop(chips, None)  # so that the first box is chosen once there are some
    elif st.session_state.get(chips) not in (*sure, WHOLE):
        st.session_state[chips] = sure[0]
    chosen = st.session_state.get(chips, WHOLE)

    def take_click() -> None:
        clicked = st.session_state[stage].get("box")
        if clicked in sure:
            st.session_state[chips] = clicked

    _stage()(key=stage, data=_drawn(name, seen, sure, names, chosen), on_box_change=take_click)
    if not sure:
        return WHOLE
    told = {WHOLE: _("Whole picture")} | {number: str(number + 1) for number in sure}
    return st.pills(_("Part of the picture"), [*sure, WHOLE], key=chips, required=True, format_func=told.get)


def _drawn(name: str, seen: Seen, sure: Sequence[int], names: Sequence[str], chosen: int) -> dict:
    """The picture as the browser is told of it; boxes in percents of its sides, small ones above large ones."""
    width, height = seen.size_wh
    sizes = sorted((_area(seen, number) for number in sure), reverse=True)
    boxes = []
    for number, told in zip(sure, names, strict=True):
        left, top, right, bottom = seen.boxes[number].box_xyxy
        boxes.append(
            {
                **{"number": number, "label": str(number + 1), "told": f"{number + 1}: {told}", "colour": BOX_COLOURS[number % len(BOX_COLOURS)]},
                **{"left": 100 * left / width, "top": 100 * top / height, "width": 100 * (right - left) / width, "height": 100 * (bottom - top) / height},
                **{"is_chosen": number == chosen, "layer": 1 + sizes.index(_area(seen, number))},
            }
        )
    return {"jpeg": base64.b64encode(seen.preview).decode(), "alt": name, "boxes": boxes, "width_rem": round(min(BROAD_REM, LOW_REM * width / height), 2)}


def _area(seen: Seen, number: int) -> float:
    left, top, right, bottom = seen.boxes[number].box_xyxy
    return (right - left) * (bottom - top)
