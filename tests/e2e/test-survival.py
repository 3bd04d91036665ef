#!/usr/bin/env python3
"""A compositor that is killed, and one that comes after it.

mullion starts mulliond itself here, as it does for most users. The guests of the first tests
are mock guests, which draw a test card; those of the last are real.
"""
import os
import random
import signal
import subprocess
import time

from session import TESTS, Session, qemu_lacks
from tap import Plan, Skip, check, run_plan, same, wait_until

LONG = bool(os.environ.get("MULLION_TEST_LONG"))
ROUNDS = 60 if LONG else 6
OUTPUT = 1024, 768
MOCKS = {"red": (320, 240), "green": (400, 300), "blue": (256, 192)}
REAL_MODE = "640x480"
BOOT_SECONDS = 120
KEY_Q = 16
WRITTEN_SECONDS = 0.3  # the state is written 0.1 s after a change

plan = Plan()
dice = random.Random(20261120)


def start(session):
  session.start()
  wait_until(lambda: not session.ctl("windows")[0], "mullion answers", 20)


def daemon_of(session):
  """The one mulliond."""
  pids = [pid for pid, name in session.left_over().items() if name == "mulliond"]
  same(len(pids), 1, "the number of mullionds")
  return pids[0]


def state_file(session):
  return os.path.join(session.runtime, "mullion", "session.state")


def start_mock(session, name, size):
  session.do("start", name)
  socket = session.guest(name)["socket"]
  process = subprocess.Popen([os.path.join(TESTS, "vmm", "mock-guest"), socket, *map(str, size)],
    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
  session.started.append(process)
  same(process.stdout.readline(), "drawn\n", f"what mock guest '{name}' says")


def lasting(session):
  """The windows without what a new compositor counts anew."""
  return {name: {key: value for key, value in window.items() if key != "frames"}
    for name, window in session.windows().items()}


def settle(session, names):
  """Waits until all have their pictures, and what they are is written."""
  wait_until(lambda: all(session.windows().get(name, {}).get("frames") for name in names),
    "every guest has drawn", 20)
  time.sleep(WRITTEN_SECONDS)


def content(session, *words):
  """A picture's bytes."""
  with open(session.shot(*words), "rb") as file:
    return file.read()


def kill_compositor(session):
  session.process.kill()
  same(session.process.wait(), -signal.SIGKILL, "the status of mullion")


def lives(session, names):
  """What must not change when a compositor does."""
  return {name: {key: session.guest(name).get(key) for key in
    ("state", "devicePid", "vmmPid", "sliceBase", "sliceLimit", "connected")} for name in names}


def shuffle(session):
  """Does to the windows what a user may do."""
  for _ in range(3):
    name = dice.choice(list(MOCKS))
    what = dice.choice(("move", "resize", "focus", "fullscreen", "windows"))
    if what == "move":
      session.do("move", name, str(dice.randint(-100, OUTPUT[0])), str(dice.randint(0, OUTPUT[1])))
    elif what == "resize":
      session.do("resize", name, str(dice.randint(48, 900)), str(dice.randint(48, 700)))
    elif what == "windows":
      session.do("fullscreen", "off")
    else:
      session.do(what, name)


@plan.test("a new compositor takes over the mulliond of the one that was killed")
def same_daemon(session):
  start(session)
  for name, size in MOCKS.items():
    start_mock(session, name, size)
  settle(session, MOCKS)
  daemon, before = daemon_of(session), lives(session, MOCKS)
  kill_compositor(session)
  start(session)
  settle(session, MOCKS)
  same(daemon_of(session), daemon, "mulliond")
  same(lives(session, MOCKS), before, "the guests")


@plan.test("windows nobody touched come back where they were placed")
def untouched(session):
  before, picture = lasting(session), content(session)
  kill_compositor(session)
  start(session)
  settle(session, MOCKS)
  same(lasting(session), before, "the windows")
  check(content(session) == picture, "the screen looks different")


@plan.test(f"place, size, stack, focus, full screen and pictures come back, {ROUNDS} times")
def arranged(session):
  before = lives(session, MOCKS)
  for number in range(ROUNDS):
    shuffle(session)
    time.sleep(WRITTEN_SECONDS)
    windows, picture = lasting(session), content(session)
    kill_compositor(session)
    start(session)
    settle(session, MOCKS)
    same(lasting(session), windows, f"round {number}: the windows")
    check(content(session) == picture, f"round {number}: the screen looks different")
    for name in MOCKS:
      session.expect_picture("card", session.shot(name))
  same(lives(session, MOCKS), before, "the guests")


@plan.test("a full screen's window returns to the place that it had before")
def return_place(session):
  session.do("fullscreen", "off")
  session.do("move", "green", "300", "200")
  session.do("resize", "green", "333", "222")
  window = lasting(session)["green"]
  session.do("fullscreen", "green")
  time.sleep(WRITTEN_SECONDS)
  kill_compositor(session)
  start(session)
  settle(session, MOCKS)
  check(lasting(session)["green"]["fullscreen"], "it is no full screen any more")
  session.do("fullscreen", "off")
  same(session.window("green"), (300, 200, 333, 222), "its window")
  same({**lasting(session)["green"], "stack": 0, "focused": 0}, {**window, "stack": 0, "focused": 0},
    "all of it")


@plan.test("two compositors killed in a row lose nothing")
def in_a_row(session):
  session.do("focus", "blue")
  session.do("move", "blue", "20", "400")
  time.sleep(WRITTEN_SECONDS)
  windows = lasting(session)
  for seconds in (0.0, 0.05, 0.3):
    kill_compositor(session)
    session.start()
    time.sleep(seconds)
  kill_compositor(session)
  start(session)
  settle(session, MOCKS)
  same(lasting(session), windows, "the windows")


@plan.test("the state is the user's alone, and no larger than it must be")
def state(session):
  status = os.stat(state_file(session))
  same(oct(status.st_mode & 0o7777), "0o600", "its mode")
  check(status.st_size < 4096, f"{status.st_size} bytes")
  written = status.st_mtime_ns
  time.sleep(1)
  same(os.stat(state_file(session)).st_mtime_ns, written, "the time of its last change")


@plan.test("a window stays as it is while its guest's device is killed and replaced")
def device(session):
  session.do("focus", "red")
  windows, picture, own = lasting(session), content(session), content(session, "red")
  waited = []
  # More in short order are more than mulliond puts up with.
  for number in range(3):
    frames, pid = session.windows()["red"]["frames"], session.guest("red")["devicePid"]
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    check(content(session) == picture, f"round {number}: the screen looks different at once")
    same(lasting(session), windows, f"round {number}: the windows at once")
    wait_until(lambda: session.windows()["red"]["frames"] > frames, "the next one draws", 10, 0.01)
    waited.append(time.monotonic() - killed)
    check(session.guest("red")["devicePid"] != pid, "it is the same device")
    check(content(session, "red") == own, f"round {number}: the guest's picture")
    check(content(session) == picture, f"round {number}: the screen looks different")
    same(lasting(session), windows, f"round {number}: the windows")
  print(f"# shown again after {', '.join(f'{seconds * 1000:.0f} ms' for seconds in waited)}")


@plan.test("a damaged state is reported once, and the session runs")
def damaged(session):
  kill_compositor(session)
  with open(state_file(session), "r+b") as file:
    text = file.read()
    file.seek(0)
    file.write(b"\xff" * 40 + text[40:])
  logged = os.path.getsize(session.path("mullion.log"))
  start(session)
  settle(session, MOCKS)
  with open(session.path("mullion.log")) as log:
    log.seek(logged)
    lines = [line for line in log if "session.state" in line]
  same(len(lines), 1, f"the number of lines about it ({lines})")
  for name in MOCKS:
    session.expect_picture("card", session.shot(name))


@plan.test("a guest that is gone gives its focus to the next window")
def guest_gone(session):
  session.do("fullscreen", "off")
  session.do("focus", "green")
  session.do("focus", "red")
  time.sleep(WRITTEN_SECONDS)
  kill_compositor(session)
  session.do("kill", "red")
  start(session)
  settle(session, ("green", "blue"))
  wait_until(lambda: session.windows()["green"]["focused"], "the next one is focused", 20)


@plan.test("leaving the restarted session ends the mulliond that the first one started")
def leave(session):
  # The damaged file told the last compositors no more whose mulliond that is.
  for pid, name in session.left_over().items():
    if name in ("mullion", "mulliond"):
      os.kill(pid, signal.SIGTERM)
  wait_until(lambda: not session.left_over(), "all ends", 20)
  start(session)
  start_mock(session, "red", MOCKS["red"])
  settle(session, ("red",))
  kill_compositor(session)
  start(session)
  settle(session, ("red",))
  session.do("leave")
  same(session.process.wait(20), 0, "the status of mullion")
  wait_until(lambda: not session.left_over(), "mulliond and its guests end", 10)
  check(not os.path.exists(state_file(session)), "the state is still there")


@plan.test("a guest larger than the screen gets a window that fits, at the size that is configured")
def fits(session):
  around, inner = Session(), Session()
  try:
    around.configure("mullion", "[desktop]\noutput = 1600x1200\n")
    start(around)
    inner.configure("mullion", "[mullion]\nvram = 16M\n[desktop]\noutput = 800x600\n")
    inner.configure("large", "[gpu]\npersonality = bochs\nvram = 8M\nsize = 1024x768\n[machine]\nvmm = external\n")
    nested = {"WLR_BACKENDS": "wayland",
      "WAYLAND_DISPLAY": os.path.join(around.runtime, around.display())}
    inner.start(**nested)
    wait_until(lambda: not inner.ctl("windows")[0], "mullion answers", 20)
    start_mock(inner, "large", (1024, 768))
    settle(inner, ("large",))
    x, y, width, height = inner.window("large")
    check(x >= 0 and y > 0 and x + width <= 800 and y + height <= 600,
      f"it is {width}x{height} at {x},{y}")
    check(abs(width * 768 - height * 1024) <= 1024, f"the aspect of {width}x{height}")
    session_around_dies(around, inner, nested)
  finally:
    inner.finish()
    around.finish()


def session_around_dies(around, inner, nested):
  """No guest ends with it; a window that is closed ends them all."""
  before, picture = lives(inner, ("large",)), content(inner)
  kill_compositor(around)
  same(inner.process.wait(10), 1, "the status of the mullion inside")
  same(lives(inner, ("large",)), before, "its guest")
  start(around)
  inner.start(**dict(nested, WAYLAND_DISPLAY=os.path.join(around.runtime, around.display())))
  wait_until(lambda: not inner.ctl("windows")[0], "mullion answers", 20)
  settle(inner, ("large",))
  check(content(inner) == picture, "the screen looks different")
  around.input(f"key {KEY_Q} super shift")
  same(inner.process.wait(20), 0, "the status of a mullion whose window was closed")
  check(not inner.ctl("list")[1], "its mulliond still answers")


@plan.test("real guests run on while the compositor is killed, and look as before")
def real(session):
  lacking = qemu_lacks()
  if lacking:
    raise Skip(lacking)
  start(session)
  names = ("first", "second")
  for name in names:
    session.do("start", name)
  for name in names:
    session.expect_serial(name, "^card " + REAL_MODE, seconds=BOOT_SECONDS)
  settle(session, names)
  session.do("resize", "first", "400", "300")
  session.do("move", "first", "500", "300")
  session.do("fullscreen", "second")
  for name in names:
    wait_until(lambda: session.picture("card", session.shot(name))[0], "the card is whole", 20)
  time.sleep(WRITTEN_SECONDS)
  windows, picture, before = lasting(session), content(session), lives(session, names)
  resets = {name: session.ask("traps", name)["resets"] for name in names}
  for _ in range(5 if LONG else 2):
    kill_compositor(session)
    start(session)
    settle(session, names)
    same(lasting(session), windows, "the windows")
    check(content(session) == picture, "the screen looks different")
    for name in names:
      session.expect_picture("card", session.shot(name))
  same(lives(session, names), before, "the guests")
  same({name: session.ask("traps", name)["resets"] for name in names}, resets, "their resets")
  session.do("leave")
  same(session.process.wait(60), 0, "the status of mullion")
  wait_until(lambda: not session.left_over(), "all ends", 10)


def configure(session):
  session.configure("mullion",
    f"[mullion]\nvram = 64M\n[desktop]\noutput = {OUTPUT[0]}x{OUTPUT[1]}\n")
  for name, (width, height) in MOCKS.items():
    session.configure(name,
      f"[gpu]\npersonality = bochs\nvram = 4M\nsize = {width}x{height}\n[machine]\nvmm = external\n")
  if qemu_lacks():
    return
  for name in ("first", "second"):
    session.configure_linux(name, size=REAL_MODE, vram="8M", input="virtio")


if __name__ == "__main__":
  run_plan(plan, Session, configure)
