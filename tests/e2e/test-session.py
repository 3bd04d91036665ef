#!/usr/bin/env python3
"""Boots real guests in a headless session once, and looks at it from all sides.

firmware: OVMF at its UEFI shell. linux: Debian's stable kernel, whose virtio_gpu takes the card
over from the BIOS. newer: the kernel of backports on the bochs display, drawing by way of a
shadow buffer, in the mode of the output.
"""
import fcntl
import os
import re
import signal
import time

from session import TESTS, Session, memfds, qemu_lacks
from tap import Plan, check, run_plan, same, wait_until

OUTPUT = (1280, 800)
MODES = {"firmware": (640, 480), "linux": (800, 600), "newer": OUTPUT}
# What the guests see: ids and BARs.
CARDS = {"linux": ("0x1af4 0x1050", (0, 2, 4)), "newer": ("0x1234 0x1111", (0, 2))}
# Whose input goes through functions of its device.
VIRTIO_INPUT = ("firmware", "newer")
# What counts the modes that each sets.
MODE_SETS = {"firmware": "mode-set", "linux": "command-mode-set", "newer": "mode-set"}
BOOT_SECONDS = 120
VRAM = 16 << 20

KEY_F, KEY_G, KEY_TAB, KEY_E, KEY_ENTER, KEY_SPACE, KEY_INSERT = 33, 34, 15, 18, 28, 57, 110
BTN_LEFT, BTN_TOUCH = 272, 330

plan = Plan()


def configure(session):
  session.configure("mullion", f"""
[mullion]
vram = 64M
[desktop]
output = {OUTPUT[0]}x{OUTPUT[1]}
""")
  session.configure("firmware", f"""
[guest]
title = UEFI shell
autostart = yes
stop-timeout = 1s
[gpu]
vram = {VRAM >> 20}M
size = 640x480
[machine]
memory = 192M
cpus = 1
firmware = uefi
network = none
extra = -serial file:{session.serial_file('firmware')}
paths = {session.path('firmware.serial')}
""")
  session.configure("open", """
[guest]
sandbox = off
stop-timeout = 1s
[gpu]
personality = bochs
vram = 4M
[machine]
memory = 64M
cpus = 1
firmware = bios
network = none
""")
  for name, suite, firmware, personality in (("linux", "trixie", "bios", None),
      ("newer", "trixie-backports", "uefi", "bochs")):
    session.configure_linux(name, suite=suite, firmware=firmware, size="{}x{}".format(*MODES[name]),
      vram=f"{VRAM >> 20}M", memory="320M", autostart="yes", stop_timeout="15s",
      personality=personality, input=None if name in VIRTIO_INPUT else "qmp")


def program_names():
  """The names of all processes."""
  names = set()
  for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
      with open(f"/proc/{pid}/comm") as file:
        names.add(file.read().strip())
    except OSError:
      pass # has ended meanwhile
  return names


def card_is_up(session, guest, since=0):
  match = session.expect_serial(guest, r"^card (\d+)x(\d+)", since, BOOT_SECONDS)
  same((int(match[1]), int(match[2])), MODES[guest], f"the mode that '{guest}' chose")
  wait_until(lambda: session.picture("card", session.shot(guest))[0],
    f"the picture of '{guest}' is the test card", 5)


def raise_window(session, guest, x, y):
  """Puts a window in front, at its own size."""
  session.do("focus", guest)
  session.do("resize", guest, *map(str, MODES[guest]))
  session.do("move", guest, str(x), str(y))
  same(session.window(guest), (x, y, *MODES[guest]), f"the window of '{guest}'")


def card_shown_at(session, guest, x, y):
  """The session's picture has the guest's at that place, bit by bit."""
  session.input("move 0 799") # the session's picture has the pointer too
  def look():
    return session.picture("card", session.shot(), x, y, *MODES[guest])[0]
  wait_until(look, f"the test card of '{guest}' lies at {x},{y}", 5)


@plan.test("every guest that starts by itself comes to run")
def all_run(session):
  wait_until(lambda: session.process.poll() is not None or not session.ctl("list")[0],
    "mullionctl list answers", 30)
  for guest in MODES:
    session.expect_state(guest, "running")
    status = session.guest(guest)
    check(status["connected"], f"no VMM is connected to '{guest}'")
    wait_until(lambda: session.guest(guest)["shown"], f"'{guest}' is shown", 10)
    check(status["accel"] in ("kvm", "tcg"), f"accel of '{guest}' is {status['accel']}")


@plan.test("the UEFI shell comes up and has drawn its prompt")
def uefi_shell(session):
  session.expect_serial("firmware", "Shell>", seconds=BOOT_SECONDS)
  wait_until(lambda: not session.picture("plain", session.shot("firmware"))[0],
    "the firmware's picture is not empty", 5)


@plan.test("the test card of Linux 6.12 arrives bit by bit in the guest's screenshot")
def card_of_stable(session):
  card_is_up(session, "linux")
  check("guest: linux 6." in session.serial("linux"), "not the kernel of trixie")


@plan.test("the test card of Linux 7.2 arrives bit by bit in the guest's screenshot")
def card_of_backports(session):
  card_is_up(session, "newer")
  check("guest: linux 7." in session.serial("newer"), "not the kernel of backports")


@plan.test("the test card arrives bit by bit in the session's screenshot")
def card_in_session(session):
  raise_window(session, "linux", 200, 100)
  card_shown_at(session, "linux", 200, 100)
  same(session.picture("size", session.path("session.png"))[1], "1280x800", "the session's size")


@plan.test("no write to VRAM ever trapped, and every mode set did")
def traps(session):
  for guest in MODES:
    counts = session.traps(guest)
    same(counts["vram"]["count"], 0, f"traps of '{guest}' for VRAM")
    input = session.ask("traps", guest).get("inputTraps") or []
    same(any(trap["count"] for trap in input), guest in VIRTIO_INPUT, f"whether input of '{guest}' traps")
    sets = counts[MODE_SETS[guest]]
    check(sets["count"] > 0, f"'{guest}' set a mode without a trap")
    check(sets["privileged"], "a mode set is not privileged")


@plan.test("a guest that draws nothing causes no frame, and one that cannot be seen is hardly looked at")
def quiet(session):
  def counts(guest):
    reply = session.ask("traps", guest)
    return reply["looks"], reply["commits"]
  session.do("fullscreen", "newer")
  time.sleep(1.5) # the pace slows down
  before = {guest: counts(guest) for guest in MODES}
  time.sleep(2)
  after = {guest: counts(guest) for guest in MODES}
  session.do("fullscreen", "off")
  for guest in MODES:
    same(after[guest][1], before[guest][1], f"frames of '{guest}'")
    looks = after[guest][0] - before[guest][0]
    limit = 20 if guest == "newer" else 8
    check(looks <= limit, f"'{guest}' was compared {looks} times in 2 s")


@plan.test("the slices lie side by side in the VRAM map")
def slices(session):
  reply = session.ask("vram")
  slices = sorted(reply["slices"], key=lambda one: one["base"])
  same(sorted(one["guest"] for one in slices), sorted(MODES), "the guests that have a slice")
  for one in slices:
    same(one["limit"], VRAM, f"the slice of '{one['guest']}'")
  for one, other in zip(slices, slices[1:]):
    check(one["base"] + one["limit"] <= other["base"], f"{one} and {other} overlap")
  check(slices[-1]["base"] + slices[-1]["limit"] <= reply["size"], "a slice lies outside")
  same(reply["free"], reply["size"] - VRAM * len(slices), "what is free")


NAMESPACES = ["user namespace", "mount namespace", "pid namespace", "net namespace",
  "ipc namespace", "uts namespace", "cgroup namespace"]
COMMON_LAYERS = NAMESPACES + ["own root", "no new privileges", "seccomp",
  "no capabilities", "resource limits"]
VMM_LAYERS = ["landlock (asked for)"]
GPU_LAYERS = [f"{layer} (reported by the device)"
  for layer in ("landlock", "no writable code", "not dumpable")]


@plan.test("both processes of every guest are shut in by all layers")
def layers(session):
  for guest in MODES:
    status = session.guest(guest)
    check(status["sandbox"], f"'{guest}' has no sandbox")
    for process, expected in (("gpu", COMMON_LAYERS + GPU_LAYERS), ("vmm", COMMON_LAYERS + VMM_LAYERS)):
      found = [layer.removeprefix(process + ": ") for layer in status["layers"]
        if layer.startswith(process + ": ") and "cgroup limits" not in layer]
      same(sorted(found), sorted(expected), f"layers of the {process} of '{guest}'")
    text = session.do("status", guest)
    check(re.search(r"^VMM's layers: .*seccomp", text, re.MULTILINE), f"mullionctl status: {text}")


def visible(pid, path):
  """Whether a process finds a path below its own root."""
  return os.path.lexists(f"/proc/{pid}/root{path}")


@plan.test("no QEMU finds another guest's files, and no GPU process finds any")
def own_files(session):
  guests = {name: session.guest(name) for name in MODES}
  for guest, status in guests.items():
    vmm, gpu = status["vmmPid"], status["devicePid"]
    same(os.listdir(f"/proc/{gpu}/root"), [], f"the root of the GPU process of '{guest}'")
    for other in guests:
      for path in (session.path(f"{other}.serial"), guests[other]["socket"]):
        same(visible(vmm, path), guest == other, f"'{guest}' finds {path}")
    for path in (session.path("config"), session.path("state/mullion/newer"), "/proc",
        "/etc/passwd", "/dev/input", f"{session.runtime}/mullion/io.mullion.Host"):
      if path.endswith("/newer") and guest == "newer":
        continue
      check(not visible(vmm, path), f"'{guest}' finds {path}")


# As protocols/device-link.h lists them: what it is, and how many there are, shown and
# connected, from and to.
DEVICE_FDS = {
  "/dev/null": (1, 1), "socket": (3, 3), "eventpoll": (1, 1), "signalfd": (1, 1),
  "timerfd": (0, 4), "memfd:mullion-slice:NAME": (1, 1), "memfd:mullion-canvas": (0, 2),
  "/dev/udmabuf": (0, 1), "/dmabuf": (0, 256),
}
# Likewise, of each function.
FUNCTION_FDS = {
  "socket": (2, 2), "pipe": (2, 2), "memfd:memory-backend-memfd": (1, 32), "eventfd": (0, 4),
}


def device_fds(guest):
  functions = ["gpu"]
  if guest in VIRTIO_INPUT:
    functions += ["keyboard", "tablet", "mouse", "touch"]
  expected = {kind.replace("NAME", guest): count for kind, count in DEVICE_FDS.items()}
  for function in functions:
    expected[f"memfd:mullion-state:{guest}:{function}"] = (1, 1)
    for kind, (least, most) in FUNCTION_FDS.items():
      before = expected.get(kind, (0, 0))
      expected[kind] = (before[0] + least, before[1] + most)
  return expected


def descriptors(pid):
  """What a process holds, counted by kind; its standard output and error apart."""
  found, standard = {}, []
  for number in os.listdir(f"/proc/{pid}/fd"):
    target = os.readlink(f"/proc/{pid}/fd/{number}")
    if number in ("1", "2"):
      standard.append(target)
      continue
    kind = re.sub(r" \(deleted\)|:\[\d+\]|anon_inode:|[][]|^/(?=memfd)", "", target)
    found[kind] = found.get(kind, 0) + 1
  return found, standard


@plan.test("a GPU process holds exactly the descriptors that are documented")
def device_descriptors(session):
  for guest in MODES:
    found, standard = descriptors(session.guest(guest)["devicePid"])
    same(len(set(standard)), 1, "kinds of standard output and error")
    expected = device_fds(guest)
    same([kind for kind in found if kind not in expected], [], f"further kinds of '{guest}'")
    for kind, (least, most) in expected.items():
      check(least <= found.get(kind, 0) <= most, f"{found.get(kind, 0)} of {kind} in '{guest}'")


@plan.test("memory that is shared with a GPU process is sealed")
def sealed(session):
  for guest in MODES:
    pid = session.guest(guest)["devicePid"]
    for number in os.listdir(f"/proc/{pid}/fd"):
      path = f"/proc/{pid}/fd/{number}"
      if "/memfd:" not in os.readlink(path) or number in ("1", "2"):
        continue
      fd = os.open(path, os.O_RDONLY)
      seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
      os.close(fd)
      check(seals & fcntl.F_SEAL_SHRINK, f"{os.readlink(path)} of '{guest}' can shrink")


@plan.test("no device process holds or maps memory of another guest")
def isolation(session):
  guests = {name: session.guest(name) for name in MODES}
  device = {name: memfds(guest["devicePid"]) for name, guest in guests.items()}
  vmm = {name: memfds(guest["vmmPid"]) for name, guest in guests.items()}
  for name in MODES:
    check(device[name] & vmm[name], f"'{name}': device and QEMU share no slice: nothing was seen")
    for other in MODES:
      if other != name:
        check(not device[name] & device[other], f"the devices of '{name}' and '{other}' share memory")
        check(not device[name] & vmm[other], f"the device of '{name}' has memory of '{other}'")


@plan.test("the resource table says where each guest put its BARs")
def table(session):
  rows = {row["guest"]: row for row in session.ask("table")["rows"]}
  slices = {one["guest"]: one for one in session.ask("vram")["slices"]}
  same(sorted(rows), sorted(MODES), "the guests in the table")
  for guest, (ids, places) in CARDS.items():
    serial = session.serial(guest)
    seen = re.search(rf"^guest: pci 0000:(\S+) {ids}$", serial, re.MULTILINE)
    check(seen, f"'{guest}' sees no card {ids}")
    bars = [int(start, 16) for start in re.findall(r"^guest: bar (\S+) ", serial, re.MULTILINE)]
    row = rows[guest]
    check(row["pciAddress"] in (seen[1], "0000:" + seen[1], None), f"{row['pciAddress']} is {seen[1]}")
    segments = {segment["bar"]: segment for segment in row["segments"]}
    same({bar: segment["guestAddress"] for bar, segment in segments.items()},
      {bar: bars[bar] for bar in places}, "the BARs")
    check(all(bars[bar] for bar in places), "a BAR is at 0")
    same(segments[0]["machineAddress"], slices[guest]["base"], "the machine address of BAR0")
    same([segments[bar].get("machineAddress") for bar in places[1:]], [None] * (len(places) - 1),
      "the machine addresses of BARs that trap")
    same((row["machineBase"], row["machineLimit"]), (slices[guest]["base"], VRAM), "the segment")


def pointer_arrives(session, guest, at, expected):
  """The pointer, moved there, is seen by the guest at that place of 0 to 1 each way."""
  mark = session.mark(guest)
  session.input(f"move {at[0] - 20} {at[1] - 20}", f"move {at[0]} {at[1]}")

  def arrived():
    seen = re.findall(r"^pointer (\d+) (\d+)$", session.serial(guest)[mark:], re.MULTILINE)
    return seen and all(abs(int(got) - ought * 32767) <= 64 for got, ought in zip(seen[-1], expected))
  wait_until(arrived, f"'{guest}' sees the pointer at {expected}", 5)


@plan.test("the pointer reaches the guest below it, in the guest's own coordinates")
def pointer(session):
  session.expect_serial("linux", "^device .*[Tt]ablet")
  raise_window(session, "linux", 200, 100)
  pointer_arrives(session, "linux", (600, 400), (400 / 800, 300 / 600))
  session.do("resize", "linux", "400", "300")
  pointer_arrives(session, "linux", (500, 175), (300 / 400, 75 / 300))
  session.do("fullscreen", "newer")
  pointer_arrives(session, "newer", (320, 600), (320 / 1280, 600 / 800))
  session.do("fullscreen", "off")
  raise_window(session, "linux", 200, 100)


@plan.test("a click and a turn of the wheel reach the guest")
def buttons(session):
  mark = session.mark("linux")
  session.input("move 590 400", "click 600 400")
  session.expect_serial("linux", f"^key {BTN_LEFT} 1\nkey {BTN_LEFT} 0$", mark, 10)
  session.input("wheel 1", "wheel -1")
  session.expect_serial("linux", "^wheel -1\nwheel 1$", mark, 10)


def tap_at(session, x, y):
  """Two fingers, of which the first one moves a little."""
  session.touch(f"down 0 {x} {y}", "frame", "down 1 300 300", "frame", f"motion 0 {x + 20} {y}", "frame",
    "up 0", "up 1", "frame")


def was_seen_at(session, guest, mark, pattern, place):
  """Where a finger was, in parts of the guest's screen."""
  seen = [int(value) / 32767 for value in re.findall(pattern, session.serial(guest)[mark:], re.MULTILINE)]
  check(any(abs(one - place) < 0.002 for one in seen), f"the finger was seen at {seen}, not {place}")


@plan.test("a tap reaches a guest without a touch screen as a click, from the first finger")
def tap(session):
  session.touch("plug")
  pointer_arrives(session, "linux", (600, 400), (400 / 800, 300 / 600)) # it has heard of the screen
  mark = session.mark("linux")
  tap_at(session, 640, 380)
  session.expect_serial("linux", f"^key {BTN_LEFT} 1\n(.*\n)*key {BTN_LEFT} 0$", mark, 10)
  for x in (440, 460):
    was_seen_at(session, "linux", mark, r"^pointer (\d+) \d+$", x / 800)
  was_seen_at(session, "linux", mark, r"^pointer \d+ (\d+)$", 280 / 600)


@plan.test("fingers reach the guest's touch screen")
def touch(session):
  session.do("fullscreen", "newer")
  mark = session.mark("newer")
  tap_at(session, 640, 380)
  session.expect_serial("newer", f"^key {BTN_TOUCH} 1\n(.*\n)*key {BTN_TOUCH} 0$", mark, 10)
  for code, place in ((53, 640 / 1280), (53, 660 / 1280), (54, 380 / 800)):
    was_seen_at(session, "newer", mark, rf"^contact {code} (\d+)$", place)
  same(len(re.findall("^contact 57 [^-]", session.serial("newer")[mark:], re.MULTILINE)), 2, "fingers")
  session.do("fullscreen", "off")
  raise_window(session, "linux", 200, 100)
  session.touch("unplug")


@plan.test("motion of a locked pointer reaches the guest as a mouse's, and it gets out by the key")
def locked_pointer(session):
  raise_window(session, "linux", 200, 100)
  session.input("move 500 300")
  mark = session.mark("linux")
  session.input(f"key {KEY_G} super", *["by 5 -3"] * 20)

  def moved(axis):
    return sum(map(int, re.findall(rf"^motion {axis} (-?\d+)$", session.serial("linux")[mark:], re.MULTILINE)))
  wait_until(lambda: (moved(0), moved(1)) == (100, -60), "the guest sees all of the motion", 10)
  same(re.findall(r"^key (?:34|125) ", session.serial("linux")[mark:], re.MULTILINE), [],
       "what the guest saw of the key")
  session.input(f"key {KEY_G} super", "by 9 9")
  pointer_arrives(session, "linux", (600, 400), (400 / 800, 300 / 600))
  same((moved(0), moved(1)), (100, -60), "motion after the pointer was free")


@plan.test("dragging by the title moves the window, and the guest sees none of it")
def drag_title(session):
  raise_window(session, "linux", 200, 100)
  mark = session.mark("linux")
  session.input("drag 500 90 560 130 6")
  same(session.window("linux"), (260, 140, 800, 600), "the window")
  card_shown_at(session, "linux", 260, 140)
  check(f"key {BTN_LEFT}" not in session.serial("linux")[mark:], "the guest saw the button")


@plan.test("dragging with Super and the left button moves the window")
def drag_super(session):
  session.input("drag 600 400 540 360 6 super")
  same(session.window("linux"), (200, 100, 800, 600), "the window")


@plan.test("Super+F shows the guest alone, scaled and centred, and returns to the same place")
def fullscreen(session):
  raise_window(session, "linux", 210, 110)
  before = session.windows()
  session.input(f"key {KEY_F} super")
  wait_until(lambda: session.windows()["linux"]["fullscreen"], "'linux' is full-screen", 5)
  x, y, width, height = session.window("linux")
  same((y, height), (0, 800), "top and height on the screen")
  check(width in (1066, 1067) and abs(2 * x + width - 1280) <= 1, f"{x},{width} is not centred")
  picture = session.shot()
  session.expect_picture("plain", picture, 0, 0, x - 1, 800)
  session.expect_picture("plain", picture, x + width + 1, 0, 1280 - x - width - 1, 800)
  # In the middle of the third colour bar, which begins at 250 in the card.
  same(session.picture("colour", picture, 490, 200)[1], "#00ffff", "a pixel of the scaled card")
  session.input(f"key {KEY_F} super")
  wait_until(lambda: not session.windows()["linux"]["fullscreen"], "windows again", 5)
  for guest, window in before.items():
    now = session.windows()[guest]
    for key in ("x", "y", "width", "height", "stack", "focused"):
      same(now[key], window[key], f"{key} of '{guest}'")
  card_shown_at(session, "linux", 210, 110)


@plan.test("a guest whose mode is the output's fills it bit by bit")
def fullscreen_exact(session):
  card = session.shot("newer")
  session.input("move 0 799") # the tip of the pointer covers a pixel of the last row

  def fills():
    return session.picture("same", card, 0, 0, session.shot(), 0, 0, 1280, 799)[0]
  session.do("fullscreen", "newer")
  wait_until(fills, "the card fills the output", 5)
  session.do("fullscreen", "off")
  wait_until(lambda: not fills(), "windows again", 5)


@plan.test("a resized window shows the whole picture scaled")
def resize(session):
  raise_window(session, "linux", 200, 100)
  session.do("resize", "linux", "400", "300")
  same(session.window("linux"), (200, 100, 400, 300), "the window")
  # Half the size: the fourth colour bar is a quarter of a bar right of the middle.
  wait_until(lambda: session.picture("colour", session.shot(), 200 + 190, 100 + 60)[1] == "#00ff00",
    "the green bar is where the half-size card has it", 5)
  session.do("resize", "linux", "800", "600")
  card_shown_at(session, "linux", 200, 100)


@plan.test("dragging with Super and the right button resizes the window")
def resize_by_button(session):
  raise_window(session, "linux", 200, 100)
  session.input("press 125", "move 900 600", "button 273 1", "move 850 550", "move 800 500",
    "button 273 0", "release 125")
  x, y, width, height = session.window("linux")
  same((x, y), (200, 100), "the corner that stays")
  check(600 <= width < 800 and 400 <= height < 600, f"the window is {width}x{height}")
  raise_window(session, "linux", 200, 100)


@plan.test("a key typed by the virtual keyboard shows up on the guest's console")
def typing(session):
  session.do("focus", "linux")
  mark, others = session.mark("linux"), session.mark("newer")
  session.input(f"key {KEY_SPACE}")
  session.expect_serial("linux", "^guest: console$", mark, 10)
  session.expect_serial("linux", f"^key {KEY_SPACE} 1$", mark, 10)
  time.sleep(1)
  before = session.shot("linux", "before")
  session.input("type echo Typed-$((6*7)) > /dev/ttyS0\\n")
  session.expect_serial("linux", "^Typed-42$", mark, 20)
  wait_until(lambda: int(session.picture("differ", before, session.shot("linux"))[1]) > 100,
    "what was typed is seen", 5)
  check("key " not in session.serial("newer")[others:], "the keys reached another guest too")


@plan.test("keys reach the firmware's shell too")
def typing_to_firmware(session):
  session.do("focus", "firmware")
  mark, before = session.mark("firmware"), session.shot("firmware", "before")
  session.input("type ver\\n")
  session.expect_serial("firmware", r"(?s)UEFI Interactive Shell v2.*Shell>", mark, 20)
  wait_until(lambda: int(session.picture("differ", before, session.shot("firmware"))[1]) > 100,
    "what was typed is seen", 5)


@plan.test("a guest that changes its mode is shown in the new one")
def mode_change(session):
  session.do("focus", "linux")
  sets = session.traps("linux")[MODE_SETS["linux"]]["count"]
  mark = session.mark("linux")
  session.input("type testcard 0 1000x600 > /dev/ttyS0\\n")
  session.expect_serial("linux", "^card 1000x600", mark, 20)
  wait_until(lambda: session.picture("card", session.shot("linux"))[0], "its card is seen", 5)
  same(session.picture("size", session.path("linux.png"))[1], "1000x600", "its picture's size")
  window = session.windows()["linux"]
  same((window["modeWidth"], window["modeHeight"]), (1000, 600), "the mode of its window")
  check(session.traps("linux")[MODE_SETS["linux"]]["count"] > sets, "the mode set was not counted")
  session.input(f"key {KEY_SPACE}")
  wait_until(lambda: session.windows()["linux"]["modeWidth"] == 800, "the console's mode is back", 5)


@plan.test("Super with a number or Tab gives the focus, and the keys go there")
def focus_keys(session):
  session.input("key 3 super") # Super+2: linux, second in the order of names
  wait_until(lambda: session.windows()["linux"]["focused"], "Super+2 focuses 'linux'", 5)
  session.input("key 4 super")
  wait_until(lambda: session.windows()["newer"]["focused"], "Super+3 focuses 'newer'", 5)
  session.input(f"key {KEY_TAB} super")
  wait_until(lambda: not session.windows()["newer"]["focused"], "Super+Tab goes on", 5)


@plan.test("a held key is released in the guest that loses the focus")
def held_key(session):
  session.do("focus", "linux")
  mark, others = session.mark("linux"), session.mark("newer")
  session.input(f"press {KEY_INSERT}")
  session.expect_serial("linux", f"^key {KEY_INSERT} 1$", mark, 10)
  session.do("focus", "newer")
  session.expect_serial("linux", f"^key {KEY_INSERT} 0$", mark, 10)
  session.input(f"release {KEY_INSERT}")
  check("key" not in session.serial("newer")[others:], "'newer' saw the key")


def type_without_device(session, end):
  """Types while the guest's device ends, and until the next one is there."""
  session.do("focus", "linux")
  pid, mark = session.guest("linux")["devicePid"], session.mark("linux")
  end(pid)
  session.input("type echo Typed-$((6*9)) > /dev/ttyS0\\n")
  session.expect_serial("linux", "^Typed-54$", mark, 30)
  check(session.guest("linux")["devicePid"] != pid, "the device was not replaced")


@plan.test("what is typed while a guest's device is replaced is not lost")
def typing_without_device(session):
  type_without_device(session, lambda pid: os.kill(pid, signal.SIGKILL))


@plan.test("nor what is typed while it hangs")
def typing_to_hung_device(session):
  type_without_device(session, lambda pid: os.kill(pid, signal.SIGSTOP))


@plan.test("a key that is held when a device goes is let go in the guest")
def held_without_device(session):
  session.do("focus", "linux")
  pid, mark = session.guest("linux")["devicePid"], session.mark("linux")
  session.input(f"press {KEY_INSERT}")
  session.expect_serial("linux", f"^key {KEY_INSERT} 1$", mark, 10)
  os.kill(pid, signal.SIGKILL)
  session.expect_serial("linux", f"^key {KEY_INSERT} 0$", mark, 10)
  session.input(f"release {KEY_INSERT}")


@plan.test("a guest that reboots comes back with its picture")
def reboot(session):
  session.do("focus", "linux")
  pid = session.guest("linux")["devicePid"]
  mark = session.mark("linux")
  session.input("type \\nreboot -f\\n")
  session.expect_serial("linux", "^guest: linux", mark, BOOT_SECONDS)
  card_is_up(session, "linux", mark)
  same(session.guest("linux")["devicePid"], pid, "the device process")
  same(session.traps("linux")["vram"]["count"], 0, "traps for VRAM")


@plan.test("a guest can be stopped by its power button, and started again")
def stop_and_start(session):
  mark = session.mark("linux")
  session.do("stop", "linux")
  session.expect_serial("linux", "^power$", mark, 15)
  session.expect_state("linux", "off", 30)
  wait_until(lambda: "linux" not in session.windows(), "its window goes", 5)
  same(session.guest("newer")["state"], "running", "the other guest")
  session.do("start", "linux")
  session.expect_state("linux", "running")
  card_is_up(session, "linux")


@plan.test("firmware that knows no power button is stopped after its time-out")
def stop_firmware(session):
  session.do("stop", "firmware")
  session.expect_state("firmware", "off", 15)


@plan.test("a guest whose device dies gets another one, and runs on")
def device_dies(session):
  before = session.guest("newer")
  os.kill(before["devicePid"], signal.SIGKILL)
  wait_until(lambda: session.guest("newer").get("devicePid") not in (None, before["devicePid"]),
    "'newer' has another device", 10)
  after = session.guest("newer")
  same((after["state"], after["vmmPid"]), ("running", before["vmmPid"]), "state and QEMU")
  same(after["layers"], before["layers"], "the layers of the new device")
  wait_until(lambda: session.picture("card", session.shot("newer"))[0], "its picture is back", 10)
  same(session.guest("linux")["state"], "running", "the other guest")
  session.expect_picture("card", session.shot("linux"))


@plan.test("a guest whose file says so runs without a sandbox, and every status shows it")
def no_sandbox(session):
  session.do("start", "open")
  session.expect_state("open", "running")
  check(not session.guest("open")["sandbox"], "its status says it has one")
  check("own root" not in " ".join(session.guest("open")["layers"]), "layers of no sandbox")
  check(re.search(r"^open .* OFF ", session.do("list"), re.MULTILINE), "list does not show it")
  check(re.search(r"^Sandbox: +OFF$", session.do("status", "open"), re.MULTILINE), "nor status")
  session.do("kill", "open")


@plan.test("a guest one of whose files is missing is refused, and the reason names it")
def missing_path(session):
  session.do("kill", "newer")
  os.rename(session.path("newer.serial"), session.path("newer.kept"))
  status, _, errors = session.ctl("start", "newer")
  os.rename(session.path("newer.kept"), session.path("newer.serial"))
  check(status != 0, "it starts")
  for part in ("own root", session.path("newer.serial"), "No such file", "sandbox = off"):
    check(part in errors, f"{part} is not in {errors!r}")


@plan.test("kill ends a guest at once")
def kill_guest(session):
  session.do("start", "newer")
  session.expect_state("newer", "running")
  pids = [session.guest("newer")[key] for key in ("devicePid", "vmmPid")]
  session.do("kill", "newer")
  check(session.guest("newer")["state"] in ("off", "failed"), "it still runs")
  for pid in pids:
    check(pid not in session.left_over(), f"process {pid} is still there")


@plan.test("an unknown guest gives one line and a failure")
def unknown_guest(session):
  for words in (["status", "nobody"], ["start", "nobody"], ["stop", "nobody"], ["kill", "nobody"],
      ["traps", "nobody"], ["focus", "nobody"], ["fullscreen", "nobody"],
      ["move", "nobody", "1", "1"], ["resize", "nobody", "100", "100"],
      ["screenshot", "nobody", session.path("nobody.png")]):
    status, _, errors = session.ctl(*words)
    check(status != 0, f"mullionctl {words[0]} of an unknown guest succeeds")
    same(len(errors.splitlines()), 1, f"lines of mullionctl {words[0]}: {errors!r}")
    check("nobody" in errors, f"mullionctl {words[0]} does not name the guest: {errors!r}")


@plan.test("the close button of the title asks the guest to power down")
def close_button(session):
  raise_window(session, "linux", 200, 100)
  mark = session.mark("linux")
  # The button's centre lies half a title's height from the right edge, above the picture.
  session.input("click 987 87")
  session.expect_serial("linux", "^power$", mark, 15)
  session.expect_state("linux", "off", 30)


@plan.test("an ordinary client has a window beside the guests'")
def terminal(session):
  session.do("start", "firmware") # that there is one to be stopped when the session is left
  before = session.shot(name="before")
  session.input(f"key {KEY_ENTER} super")
  wait_until(lambda: "foot" in program_names(), "Super+Return starts the terminal", 10)
  wait_until(lambda: int(session.picture("differ", before, session.shot())[1]) > 10000,
    "the terminal's window is shown", 10)


@plan.test("Super+Shift+E leaves the session, and nothing of it remains")
def leave(session):
  session.input(f"key {KEY_E} super shift")
  wait_until(lambda: session.process.poll() is not None, "mullion ends", 40)
  same(session.process.returncode, 0, "its status")
  wait_until(lambda: not session.left_over(), "all processes end", 10)
  wait_until(lambda: "foot" not in program_names(), "the terminal ends", 10)
  same(session.sockets(), [], "files in the runtime directory")


@plan.test("without a session mullionctl says so in one line")
def no_daemon(session):
  for words in (["list"], ["windows"], ["screenshot", session.path("none.png")]):
    status, _, errors = session.ctl(*words)
    check(status != 0, f"mullionctl {words[0]} succeeds")
    same(len(errors.splitlines()), 1, f"lines of mullionctl {words[0]}: {errors!r}")


def prepare(session):
  configure(session)
  session.start(executable=os.path.join(TESTS, "mullion-machine"))


if __name__ == "__main__":
  run_plan(plan, Session, prepare, lacking=qemu_lacks())
