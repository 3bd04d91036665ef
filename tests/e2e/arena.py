"""What can befall a session whose guests draw, and what has to hold then and afterwards."""
import os
import signal
import time

from faults import SETTLE, note, stopped
from tap import check, same, wait_until

PACE = 0.15 # of a guest's own, at least: the machine is shared
MEASURED = 16 # frames, at least
KEPT = 0.25 # seconds in which a change of the windows has surely been written down
BACKOFF_SECONDS, BACKOFF_DEATHS = 10, 4 # see gpu-partition/backoff.h

SLOW = ["device-stop", "host-pause-long"] # seconds each

# What is not survived yet.
LATER = set()

faults = {}


def fault(function):
  """A fault: given the arena, does it and waits until its promise is kept."""
  faults[function.__name__.replace("_", "-")] = function
  return function


def covers(window, other):
  return (window["x"] <= other["x"] and other["x"] + other["width"] <= window["x"] + window["width"]
    and window["y"] <= other["y"] and other["y"] + other["height"] <= window["y"] + window["height"])


class Arena:
  """The session, its guests, and the one that is to suffer. left_out: faults that are not
  for such guests."""

  def __init__(self, session, random, guests, output, left_out=()):
    self.session, self.random, self.guests = session, random, guests
    self.output = output # width and height of the screen
    self.left_out = set(left_out) | LATER
    self.victim = guests[0]
    self.last = None # what the last look at a picture said
    self.deaths = {guest: [] for guest in guests} # when its devices were replaced
    self.spared = {} # frames drawn and shown of those that must not notice, and when

  def pid(self, guest):
    return self.session.guest(guest.name)["devicePid"]

  def shown(self, guest):
    """Frames of its that the compositor has been given."""
    return self.session.windows()[guest.name]["frames"]

  def seen(self):
    """The names of the guests that the user sees something of; the others are shown once a
    second."""
    windows = sorted(self.session.windows().items(), key=lambda item: item[1]["stack"])
    full = [name for name, window in windows if window["fullscreen"]]
    names = [name for number, (name, window) in enumerate(windows)
      if not any(covers(other, window) for _, other in windows[:number])]
    return full or names

  def wait_shown(self, guest, more=3):
    before = self.shown(guest)
    more = more if guest.name in self.seen() else 1
    wait_until(lambda: self.shown(guest) >= before + more, f"'{guest.name}' is shown again", SETTLE)

  def wait_drawn(self, guest, more=3):
    before = guest.drawn()
    wait_until(lambda: guest.is_alive() and guest.drawn() >= before + more,
      f"'{guest.name}' draws again", SETTLE)

  def begin_pace(self, shown):
    """From here on the others have to draw, and to be shown, at their pace."""
    others = [guest for guest in self.guests if guest is not self.victim]
    seen = self.seen() if shown else []
    self.spared = {guest: (guest.drawn(), self.shown(guest) if guest.name in seen else None,
      time.monotonic()) for guest in others}

  def end_pace(self):
    for guest, (drawn, shown, since) in self.spared.items():
      guest.is_alive()
      time.sleep(max(0, since + MEASURED / guest.rate - time.monotonic()))
      now_drawn, now_shown = guest.drawn(), shown is not None and self.shown(guest)
      least = max(1, int((time.monotonic() - since) * guest.rate * PACE))
      check(now_drawn - drawn >= least, f"'{guest.name}' drew {now_drawn - drawn} frames, not {least}")
      check(shown is None or now_shown - shown >= least,
        f"of '{guest.name}' {now_shown and now_shown - (shown or 0)} frames were shown, not {least}")
      self.session.times.add("longest between two frames of a guest that is spared", guest.longest())
      check(guest.longest() < guest.patience, f"'{guest.name}' stood still for {guest.longest():.1f} s")

  def recovered(self, name):
    """Notes how long the victim stood still."""
    self.wait_drawn(self.victim)
    self.session.times.add(f"{name}: longest between two frames of the victim", self.victim.longest())

  def choose_victim(self):
    """Not one whose device has died so often that it is started again with pauses only."""
    def calm():
      since = time.monotonic() - BACKOFF_SECONDS
      return [guest for guest in self.guests
        if sum(death > since for death in self.deaths[guest]) < BACKOFF_DEATHS]
    self.victim = self.random.choice(wait_until(calm, "a guest is calm", BACKOFF_SECONDS + 1))

  def device_replaced(self, guest, pid):
    self.deaths[guest].append(time.monotonic())
    wait_until(lambda: self.session.guest(guest.name).get("devicePid") not in (pid, None),
      f"'{guest.name}' has another device", SETTLE)
    self.session.births[f"device of '{guest.name}'"] = "a later one"
    wait_until(lambda: pid not in self.session.left_over(), "the last device is gone", SETTLE)

  def picture_is_right(self, guest, area=None):
    """The picture is whole soon, and no pixel of it is ever wrong, but for the victim's while
    it recovers."""
    def right():
      answer = guest.look(area)
      check(guest is self.victim or area or not answer.startswith("wrong"), f"'{guest.name}': {answer}")
      self.last = answer
      return answer == "whole"
    try:
      wait_until(right, f"'{guest.name}' shows a whole picture", SETTLE)
    except AssertionError as error:
      raise AssertionError(f"{error}; the last one: {self.last}") from None

  def session_is_right(self):
    """The guest in front is seen in its place, pixel by pixel."""
    name, window = min(self.session.windows().items(), key=lambda item: item[1]["stack"])
    guest = next(guest for guest in self.guests if guest.name == name)
    if (window["width"], window["height"]) == guest.size:
      self.picture_is_right(guest, tuple(window[key] for key in ("x", "y", "width", "height")))

  def rearrange(self):
    """The user moves a window, or gives another the focus or the whole screen."""
    guest = self.random.choice(self.guests)
    width, height = guest.size
    self.session.do("fullscreen", "off")
    self.session.do("move", guest.name, str(self.random.randrange(8, self.output[0] - width - 8)),
      str(self.random.randrange(40, self.output[1] - height - 8)))
    self.session.do("focus", guest.name)
    if self.random.random() < 0.2:
      self.session.do("fullscreen", guest.name)
    time.sleep(KEPT)


@fault
def device_kill(arena):
  pid = arena.pid(arena.victim)
  arena.begin_pace(True)
  os.kill(pid, signal.SIGKILL)
  arena.device_replaced(arena.victim, pid)
  arena.recovered("device killed")
  arena.wait_shown(arena.victim)


@fault
def device_kill_twice(arena):
  """The second one hardly has time to begin."""
  pid = arena.pid(arena.victim)
  arena.begin_pace(True)
  os.kill(pid, signal.SIGKILL)
  arena.device_replaced(arena.victim, pid)
  time.sleep(arena.random.uniform(0, 0.02))
  pid = arena.pid(arena.victim)
  os.kill(pid, signal.SIGKILL)
  arena.device_replaced(arena.victim, pid)
  arena.recovered("device killed twice")
  arena.wait_shown(arena.victim)


@fault
def device_kill_all(arena):
  pids = {guest: arena.pid(guest) for guest in arena.guests}
  for pid in pids.values():
    os.kill(pid, signal.SIGKILL)
  for guest, pid in pids.items():
    arena.device_replaced(guest, pid)
  arena.recovered("all devices killed")
  for guest in arena.guests:
    arena.wait_drawn(guest)
    arena.wait_shown(guest)


@fault
def device_stop(arena):
  """It never goes on: somebody has to notice."""
  pid = arena.pid(arena.victim)
  arena.begin_pace(True)
  with stopped(pid):
    arena.device_replaced(arena.victim, pid)
  arena.recovered("device stopped for good")
  arena.wait_shown(arena.victim)


@fault
def device_pause(arena):
  arena.begin_pace(True)
  with stopped(arena.pid(arena.victim)):
    time.sleep(arena.random.uniform(0.01, 0.3))
  arena.recovered("device stopped for a moment")
  arena.wait_shown(arena.victim)


@fault
def vmm_kill(arena):
  session, guest = arena.session, arena.victim
  arena.begin_pace(True)
  guest.kill()
  guest.expect_gone()
  time.sleep(arena.random.uniform(0, 0.2))
  check(guest.name in session.windows(), "its window is gone")
  guest.start()
  guest.expect_drawing()
  wait_until(lambda: session.guest(guest.name)["connected"], "the next VMM is seen", SETTLE)
  arena.wait_shown(guest)


@fault
def vmm_pause(arena):
  arena.begin_pace(True)
  with stopped(arena.victim.vmm_pid()):
    time.sleep(arena.random.uniform(0.05, 0.5))
  arena.recovered("VMM stopped for a moment")


@fault
def compositor_kill(arena):
  session = arena.session
  places = session.places()
  arena.begin_pace(False)
  since = time.monotonic()
  session.end(session.compositor)
  time.sleep(arena.random.uniform(0, 0.2))
  session.births["mullion"] = "a later one"
  session.start_compositor()
  wait_until(lambda: len(session.windows()) == len(arena.guests), "all windows are back", SETTLE)
  same(session.places(), places, "the windows")
  wait_until(lambda: all(window["frames"] for window in session.windows().values()),
    "all guests are shown", SETTLE)
  took = time.monotonic() - since
  session.times.add("compositor killed: until all guests are shown again", took)


@fault
def compositor_pause(arena):
  arena.begin_pace(False)
  with stopped(arena.session.compositor.pid):
    time.sleep(arena.random.uniform(0.05, 0.5))
  for guest in arena.guests:
    arena.wait_shown(guest)


@fault
def host_kill(arena):
  """Devices, guests and windows know nothing of it."""
  session = arena.session
  guests = session.lasting()
  arena.begin_pace(True)
  since = time.monotonic()
  pid = session.host_pid()
  os.kill(pid, signal.SIGKILL)
  session.host.wait()
  time.sleep(arena.random.uniform(0, 0.2))
  session.births["mulliond"] = "a later one"
  session.start_host()
  wait_until(lambda: session.lasting() == guests, "the guests are adopted", SETTLE)
  session.times.add("mulliond killed: until all guests are adopted", time.monotonic() - since)


@fault
def host_pause(arena):
  arena.begin_pace(True)
  with stopped(arena.session.host_pid()):
    time.sleep(arena.random.uniform(0.05, 0.5))


@fault
def host_pause_long(arena):
  """Longer than any heartbeat: that a device did not answer is not its fault."""
  guests = arena.session.lasting()
  arena.begin_pace(True)
  with stopped(arena.session.host_pid()):
    time.sleep(4)
  time.sleep(0.5)
  same(arena.session.lasting(), guests, "the guests")


@fault
def device_and_compositor_kill(arena):
  pid = arena.pid(arena.victim)
  os.kill(pid, signal.SIGKILL)
  compositor_kill(arena)
  arena.device_replaced(arena.victim, pid)


@fault
def device_and_host_kill(arena):
  """What the device had is with the service manager: the guest goes on."""
  session, guest = arena.session, arena.victim
  pid, machine = arena.pid(guest), session.guest(guest.name).get("vmmPid")
  arena.begin_pace(True)
  since = time.monotonic()
  for one in arena.random.sample([session.host_pid(), pid], 2):
    os.kill(one, signal.SIGKILL)
  session.host.wait()
  time.sleep(arena.random.uniform(0, 0.2))
  session.births["mulliond"] = "a later one"
  session.start_host()
  arena.device_replaced(guest, pid)
  same(session.guest(guest.name).get("vmmPid"), machine, "the VMM")
  arena.recovered("mulliond and a device killed")
  session.times.add("mulliond and a device killed: until the guest draws", time.monotonic() - since)
  arena.wait_shown(guest)


@fault
def host_and_all_devices_kill(arena):
  session = arena.session
  pids = {guest: arena.pid(guest) for guest in arena.guests}
  for pid in (session.host_pid(), *pids.values()):
    os.kill(pid, signal.SIGKILL)
  session.host.wait()
  session.births["mulliond"] = "a later one"
  session.start_host()
  for guest, pid in pids.items():
    arena.device_replaced(guest, pid)
  arena.recovered("mulliond and all devices killed")
  for guest in arena.guests:
    arena.wait_drawn(guest)
    arena.wait_shown(guest)


@fault
def device_and_host_lost(arena):
  """Nobody is left who has what the device had: its guest ends, and alone."""
  session, guest = arena.session, arena.victim
  pid = arena.pid(guest)
  session.manager.forget()
  arena.begin_pace(True)
  os.kill(session.host_pid(), signal.SIGKILL)
  os.kill(pid, signal.SIGKILL)
  session.host.wait()
  session.births["mulliond"] = "a later one"
  session.start_host()
  guest.expect_ended()
  guest.kill()
  guest.start()
  guest.expect_drawing()
  arena.wait_shown(guest)


@fault
def compositor_and_host_kill(arena):
  session = arena.session
  guests, places = session.lasting(), session.places()
  arena.begin_pace(False)
  os.kill(session.host_pid(), signal.SIGKILL)
  session.end(session.compositor)
  session.host.wait()
  session.births.update(mullion="a later one", mulliond="a later one")
  session.start_host()
  session.start_compositor()
  wait_until(lambda: session.lasting() == guests, "the guests are adopted", SETTLE)
  wait_until(lambda: len(session.windows()) == len(arena.guests), "all windows are back", SETTLE)
  same(session.places(), places, "the windows")
  for guest in arena.guests:
    arena.wait_shown(guest)


def chosen(arena, rounds):
  """The faults of this run, and how many rounds of them."""
  names = os.environ.get("MULLION_TEST_FAULTS")
  names = names.split(",") if names else [name for name in faults if name not in arena.left_out]
  return names, int(os.environ.get("MULLION_TEST_ROUNDS") or rounds)


def rounds_of(names, count, random):
  """Every fault about as often as any other, in random order, but each slow one only once
  in 20 rounds or in all."""
  quick = [name for name in names if name not in SLOW] or names
  span = min(count, 20)
  slow = dict(zip((span // 4, span * 3 // 4), (name for name in SLOW if name in names)))
  deck = []
  for number in range(count):
    deck = deck or random.sample(quick, len(quick))
    yield slow.get(number % span) or deck.pop()


def one_round(arena, name):
  session, random = arena.session, arena.random
  arena.choose_victim()
  if random.random() < 0.4:
    arena.rearrange()
  guests, places = session.lasting(), session.places()
  arena.victim.set_busy(random.random() < 0.7)
  time.sleep(random.uniform(0, 0.15))
  arena.spared = {}
  for guest in arena.guests:
    guest.clear_longest()
  faults[name](arena)
  arena.end_pace()
  arena.victim.set_busy(False)
  for guest in arena.guests:
    guest.is_alive()
    arena.picture_is_right(guest)
  for guest, now in session.lasting().items():
    if guest != arena.victim.name and name not in ("device-kill-all", "host-and-all-devices-kill"):
      same(now, guests[guest], f"guest '{guest}'")
    same(now["state"], "running", f"the state of '{guest}'")
  same(session.places(), places, "the windows")
  arena.session_is_right()
  for guest in arena.guests:
    guest.expect_no_reset()
  session.ledger.check()


def begin(arena):
  """Starts mulliond, the compositor and all guests, and looks at them."""
  session = arena.session
  session.start_host()
  session.start_compositor()
  for guest in arena.guests:
    guest.start()
  for guest in arena.guests:
    guest.expect_drawing()
    arena.wait_shown(guest)
    arena.picture_is_right(guest)
  arena.session_is_right()
  one, two = arena.guests[:2]
  yes, why = session.picture("moving", session.shot(one.name), two.number, 0, two.drawn())
  check(not yes and why.startswith("wrong"), f"one guest's picture passes for another's: {why}")
  time.sleep(0.5)
  session.ledger.check()


def run_rounds(arena, count):
  names, count = chosen(arena, count)
  counts = dict.fromkeys(names, 0)
  for number, name in enumerate(rounds_of(names, count, arena.random), 1):
    try:
      one_round(arena, name)
    except Exception:
      note(f"round {number} of {count}: {name}, victim '{arena.victim.name}'")
      raise
    counts[name] += 1
  note("rounds: " + ", ".join(f"{name} {times}" for name, times in counts.items()))
  left_out = [name for name in faults if name not in names]
  if left_out:
    note("left out: " + ", ".join(left_out))
  arena.session.times.report()
  arena.session.ledger.report()


def leave(arena):
  """Ends the guests and the session, of which nothing may remain."""
  session = arena.session
  for guest in arena.guests:
    guest.is_alive()
    session.do("kill", guest.name)
    guest.kill()
  wait_until(lambda: not session.ask("vram")["slices"], "all slices are free", SETTLE)
  session.compositor.terminate()
  same(session.compositor.wait(SETTLE), 0, "the compositor's status")
  os.kill(session.host_pid(), signal.SIGTERM)
  wait_until(lambda: not session.left_over(), "all processes end", SETTLE)
  session.manager.finish()
  same(session.sockets(), [], "files in the runtime directory")
