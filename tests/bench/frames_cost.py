"""What processes cost: processor time without a guest's own processor, memory without a guest's
own memory."""
import os
import re

# What is at least so large is a guest's memory or its VRAM.
GUEST_KIB = 64 << 10


def seconds_of(pid):
  """Processor time of a process without the threads that run a guest's processor."""
  total = 0.0
  for thread in os.listdir(f"/proc/{pid}/task"):
    try:
      with open(f"/proc/{pid}/task/{thread}/stat") as file:
        name, _ = file.read().rsplit(")", 1)
      with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
        nanoseconds = int(file.read().split()[0])
    except OSError:
      continue # has ended
    if not re.search(r"\(CPU \d+/", name):
      total += nanoseconds / 1e9
  return total


def files_in_memory(pid):
  """Size in KiB of each memfd that a process holds or maps."""
  found = {}
  for folder in ("fd", "map_files"):
    folder = f"/proc/{pid}/{folder}"
    for name in os.listdir(folder):
      try:
        path = os.path.join(folder, name)
        if "/memfd:" in os.readlink(path):
          status = os.stat(path)
          found[status.st_ino] = status.st_blocks // 2
      except OSError:
        pass # closed meanwhile
  return found


def mapped(pid):
  """KiB of what a process maps and no memfd backs, its part of what it shares."""
  total, counts = 0, False
  with open(f"/proc/{pid}/smaps") as file:
    for line in file:
      head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ *(.*)", line)
      if head:
        kib = (int(head[2], 16) - int(head[1], 16)) >> 10
        translated = "x" in head[3] and not head[4] # a guest's code, by TCG
        counts = kib < GUEST_KIB and not translated and not head[4].startswith("/memfd:")
      elif counts and line.startswith("Pss:"):
        total += int(line.split()[1])
  return total


def memory_of(pids):
  """MiB of processes together, each file in memory once, without guests' memory and VRAM."""
  files = {}
  for pid in pids:
    files.update(files_in_memory(pid))
  kib = sum(size for size in files.values() if size < GUEST_KIB)
  return (kib + sum(mapped(pid) for pid in pids)) / 1024
