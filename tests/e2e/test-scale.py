#!/usr/bin/env python3
"""A real guest on a screen with a scale: it has every pixel of the screen and of its window. It
has its largest mode first, as the console of Linux takes none that is larger than its first."""
import re

from session import Session, qemu_lacks
from tap import Plan, run_program, same, skip_all, wait_until

SCALE = 1.5
SCREEN = (1920, 1440)
BOOT_SECONDS = 120
KEY_SPACE = 57
CONNECTOR = "/sys/class/drm/card0-Virtual-1"

plan = Plan()


def configure(session):
  session.configure("mullion", "[output HEADLESS-1]\nsize = {}x{}\nscale = {}\n".format(
    *SCREEN, SCALE))
  session.configure_linux("linux", size="follow", vram="64M")


def ask(session, command, pattern):
  mark = session.mark("linux")
  session.input(f"type {command} > /dev/ttyS0\\n")
  return session.expect_serial("linux", pattern, mark, 20)


def wait_for_mode(session, mode):
  wait_until(lambda: ask(session, f"head -n 1 {CONNECTOR}/modes", r"^(\d+x\d+)$")[1] == mode,
    f"the guest's monitor prefers {mode}", 30, 0.5)


def corner(session):
  """Where the window's picture is on the screen, rounded as it is there."""
  return tuple(int(place * SCALE + 0.5) for place in session.window("linux")[:2])


def expect_card(session, width, height):
  """The whole screen's picture has the card, bit by bit, where the window is."""
  x, y = corner(session)
  wait_until(lambda: session.picture("card", session.shot(), x, y, width, height)[0],
    f"a card of {width}x{height} is seen bit by bit at {x},{y}", 10)


def show_card(session, width, height):
  mark = session.mark("linux")
  session.input(f"type testcard 0 {width}x{height} > /dev/ttyS0\\n")
  session.expect_serial("linux", f"^card {width}x{height}", mark, 20)
  expect_card(session, width, height)
  mark = session.mark("linux")
  session.input(f"key {KEY_SPACE}")
  session.expect_serial("linux", f"^key {KEY_SPACE} 0", mark, 10)


@plan.test("full screen is the screen's own mode")
def full_screen(session):
  session.start()
  wait_until(lambda: not session.ctl("windows")[0], "mullion answers", 30)
  session.do("start", "linux")
  wait_until(lambda: "linux" in session.windows(), "its window is there", 30)
  session.do("fullscreen", "linux")
  session.expect_serial("linux", "^card {}x{}".format(*SCREEN), seconds=BOOT_SECONDS)
  expect_card(session, *SCREEN)


@plan.test("a guest that follows its window gets the pixels of it")
def window(session):
  session.do("fullscreen", "off")
  session.do("focus", "linux")
  session.expect_keys("linux")
  mark = session.mark("linux")
  session.input(f"key {KEY_SPACE}")
  session.expect_serial("linux", "^guest: console", mark, 20)
  wait_for_mode(session, "1536x1152")
  show_card(session, 1536, 1152)
  same(session.window("linux")[2:], (1024, 768), "the window's size")


@plan.test("a resized window is followed to the pixel, wherever it is")
def resized(session):
  session.do("resize", "linux", "601", "401")
  wait_for_mode(session, "902x602")
  for place in (50, 51, 53):
    session.do("move", "linux", str(place), str(place + 50))
    show_card(session, 902, 602)


@plan.test("its monitor has the size that makes the guest's own scale right")
def millimetres(session):
  edid = ask(session, f"od -An -tu1 -j66 -N3 {CONNECTOR}/edid", r"^ *(\d+) +(\d+) +(\d+)")
  same((int(edid[1]), int(edid[2])), (round(902 * 25.4 / 144), round(602 * 25.4 / 144)),
    "millimetres of a monitor at 144 pixels an inch")


@plan.test("the pointer is at the pixel that it points at")
def pointer(session):
  x, y = corner(session)
  mark = session.mark("linux")
  session.input(f"move {x + 451} {y + 301}")

  def arrived():
    seen = re.findall(r"^pointer (\d+) (\d+)$", session.serial("linux")[mark:], re.MULTILINE)
    return seen and tuple(int(at) * size // 32768 for at, size in
      zip(seen[-1], (902, 602))) == (451, 301)
  wait_until(arrived, "the guest sees the pointer there", 10)


def main():
  lacking = qemu_lacks()
  if lacking:
    skip_all(lacking)
  session = Session()
  try:
    configure(session)
    return plan.run(session, on_failure=session.tails)
  finally:
    session.finish()


if __name__ == "__main__":
  run_program(main)
