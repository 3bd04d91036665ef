"""What bench-frames.py prints: our figure against its target, then against each peer's."""
import json
import statistics

SAY = {
  "full": "a whole new frame", "small": "100x20 changed, all flushed",
  "none": "nothing changed, all flushed",
}
# Milliseconds a frame of device and compositor, and the part of what gtk takes in all.
FRAME = {
  ("full", "1024x768"): (0.25, 0.04), ("full", "1920x1080"): (0.4, 0.04),
  ("small", "1024x768"): (0.15, 0.033), ("small", "1920x1080"): (0.3, 0.033),
}
SHOWN_MSEC = 9
MEMORY_MIB = 3 + 2 # a frame of 1024x768 and 2 MiB


def verdict(value, target):
  return "-" if not target else "met" if value <= target else "missed"


def line(**fields):
  print(json.dumps(dict(fields, atLeast=False)), flush=True)


def own(name, what, unit, values, bound=0):
  """values: of each turn, or of all."""
  median = statistics.median(values)
  line(name=name, what=what, unit=unit, ours=median, low=min(values), high=max(values),
    bound=bound, verdict=verdict(median, bound))


def peer(name, what, unit, ours, theirs, who, target=0):
  """ours, theirs: of each turn."""
  ratios = [a / b for a, b in zip(ours, theirs) if b]
  ratio = sum(ours) / sum(theirs)
  line(name=name, what=what, unit=unit, ours=statistics.median(ours), peer=statistics.median(theirs),
    peerName=who, ratio=ratio, low=min(ratios), high=max(ratios), target=target,
    verdict=verdict(ratio, target))


def frames(taken, work, size, output=None):
  """output: its size where the guest has all of it."""
  key = work, size
  totals = {side: [sum(turn[key][0].values()) for turn in turns] for side, turns in taken.items()}
  rates = {side: "/".join(f"{turn[key][1]:.0f}" for turn in turns) for side, turns in taken.items()}
  turns = [turn[key][0] for turn in taken["mullion"]]
  name, unit, (bound, target) = f"frames-{work}-{size}", "ms", FRAME.get(key, (0, 0))
  if work == "rate":
    what, unit = f"whole new frames, {size}, as fast as taken: processor time a second", "ms/s"
  elif not output:
    what = f"{SAY[work]}, {size}, 60 Hz"
  else:
    scaled = size != output
    name = f"frames-fullscreen-{'scaled' if scaled else 'same'}"
    what = f"{SAY[work]}, {size}, 60 Hz, {'scaled to' if scaled else 'on'} a full screen of {output}"
    bound = 0 if scaled else bound
  parts = ", ".join(f"{say} {statistics.mean(turn[program] for turn in turns):.2f}" for program, say in
    (("mullion-device", "device"), ("mullion", "compositor"), ("qemu-system-x86_64", "not in it: VMM")))
  own(name, f"{what}, at {rates['mullion']} frames a second: {parts}", unit,
    [turn["mullion-device"] + turn["mullion"] for turn in turns], bound)
  for side in taken:
    if side != "mullion":
      peer(name, what, unit, totals["mullion"], totals[side],
        f"QEMU {side} at {rates[side]} frames a second", target if side == "gtk" else 0)


def latency(taken, work, size):
  name, what = "frames-shown", f"drawn to shown, 100x20 of {size}, all flushed"
  def medians(side):
    return [statistics.median(turn[work, size]) for turn in taken[side]]
  every = sorted(value for turn in taken["mullion"] for value in turn[work, size])
  cut = len(every) // 20
  own(name, what, "ms", every[cut:len(every) - cut], SHOWN_MSEC)
  for side in taken:
    if side != "mullion":
      peer(name, what, "ms", medians("mullion"), medians(side), f"QEMU {side}")


def memory(taken):
  """QEMU's pictures are in its memory, ours in the slice, which is not in these figures."""
  name, what = "frames-memory", "memory for one guest more of 1024x768, beyond its own and the slice"
  own(name, f"{what}, without its VMM", "MiB", [less for turn in taken["mullion"] for less, _ in turn],
    MEMORY_MIB)
  def values(side):
    return [everything for turn in taken[side] for _, everything in turn]
  for side in taken:
    if side != "mullion":
      peer(name, f"{what}, with its VMM", "MiB", values("mullion"), values(side), f"QEMU {side}")
