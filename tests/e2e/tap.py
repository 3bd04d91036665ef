"""Tests that run in order and report in TAP, each named by the behaviour it shows."""
import signal
import sys
import time
import traceback


class Skip(Exception):
  """Raised by a test that cannot run here; says why."""


class Plan:
  def __init__(self):
    self.tests = []

  def test(self, name):
    """Adds the decorated function as a test."""
    def add(function):
      self.tests.append((name, function))
      return function
    return add

  def run(self, *arguments, on_failure=None):
    """Runs every test with the arguments, and returns how many failed. Then on_failure()
    gives lines that help to find out why."""
    failed = 0
    print(f"1..{len(self.tests)}", flush=True)
    for number, (name, function) in enumerate(self.tests, 1):
      started = time.monotonic()
      line, details = f"ok {number} - {name}", []
      try:
        function(*arguments)
      except Skip as why:
        line += f" # SKIP {why}"
      except Exception as error:
        failed += 1
        line = "not " + line
        details = describe(error)
      print(line)
      for detail in details:
        print(f"#   {detail}")
      print(f"# {time.monotonic() - started:.1f} s", flush=True)
    for line in on_failure() if failed and on_failure else []:
      print(f"# {line}")
    return failed


def describe(error):
  """What went wrong, and where in the test."""
  place = traceback.extract_tb(error.__traceback__)
  where = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}: {frame.line}" for frame in place[1:]]
  return [f"{type(error).__name__}: {line}" for line in (str(error) or "?").splitlines()] + where


def run_program(main):
  """Runs main(), which returns how many tests failed, as the whole program. What is told to end
  cleans up as well."""
  def leave(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN) # a second one would end the cleaning up
    sys.exit(143)
  signal.signal(signal.SIGTERM, leave)
  sys.exit(1 if main() else 0)


def run_plan(plan, make, prepare=None, lacking=None):
  """Runs a plan as the whole program, in what make() returns: a Session, a Machine. prepare()
  gets it as well and may return what the tests are given in its place. lacking: why they cannot
  run here."""
  def main():
    if lacking:
      skip_all(lacking)
    place = make()
    try:
      given = prepare(place) if prepare else None
      return plan.run(given or place, on_failure=place.tails)
    finally:
      place.finish()
  run_program(main)


def skip_all(why):
  """Ends the program where none of its tests can run."""
  print(f"1..0 # SKIP {why}")
  sys.exit(0)


def check(condition, message):
  if not condition:
    raise AssertionError(message)


def same(actual, expected, what):
  check(actual == expected, f"{what}: {actual!r}, not {expected!r}")


def wait_until(condition, what, seconds=60, step=0.05):
  """Waits for a true value of condition() and returns it."""
  deadline = time.monotonic() + seconds
  while True:
    value = condition()
    if value:
      return value
    if time.monotonic() > deadline:
      raise AssertionError(f"{what}: not within {seconds} s")
    time.sleep(step)
