"""Mistakes of the user: one message, the nearest name, exit code 2, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nolock.conftest import Command
from tests.nolock.toy import RUNS, write_toy


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["verify", "nmi_detcet"], "unknown design `nmi_detcet`", "did you mean `nmi_detect`?"),
        (["verify", "none/x.py"], "there is no file none/x.py", "give a design file or a name"),
        (["verify", "TOY", "--property", "grace_peroid"], "unknown property", "`grace_period`?"),
        (["verify", "TOY", "--env", "kmemlek"], "unknown environment", "`kmemleak`?"),
        (["verify", "TOY", "--run", "task"], "unknown run of toy `task`", "`tasks`?"),
        (["verify", "TOY", "--knob", "nmi=1"], "no knob `nmi`", "`nmis`?"),
        (["verify", "TOY", "--knob", "nmis"], "not NAME=VALUE", ""),
        (
            ["verify", "TOY", "--knob", "smp=0", "--cpus", "2"],
            "smp=0 and cpus=2 exclude",
            "--cpus 1",
        ),
        (
            ["verify", "nmi_detect", "--run", "any-context", "--env", "up", "--cpus", "2"],
            "smp=0 (environment `up`) and cpus=2 exclude",
            "--cpus 1",
        ),
        (["verify", "TOY", "--cpus", "0"], "0 is not in the range 1<=x<=64", ""),
        (["verify", "TOY", "--knob", "cpus=0"], "cpus=0: there is at least one CPU", "--cpus 1"),
        (["verify", "TOY", "--time-limit", "nan"], "not a number of seconds above 0", ""),
        (["prove", "--time-limit", "-1"], "not a number of seconds above 0", ""),
        (["trace", "TOY/nmi/self_deadlock", "--run", "x"], "No such option", ""),
        (["trace", "TOY/nmi/self_deadlock", "--property", "x"], "No such option", ""),
        (["trace", "TOY/nmi/self_deadlock", "--format", "junit"], "is not one of", ""),
        (["trace", "TOY/nmi/self_deadlock", "--env", "upp"], "unknown environment `upp`", "`up`?"),
        (["trace", "t.json", "--nmis", "1"], "a stored trace has its bounds in it", ""),
        (["trace", "mutants/K-5/grace_period", "--nmis", "1"], "its file states", "leave out"),
        (["verify", "mutants/K-5", "--env", "up"], "its file states", "leave out --run"),
        (["verify", "TOY", "--memory", "lots"], "--memory lots: not a size", "500M"),
        (["verify", "TOY", "TOY"], "two designs are called `toy`", ""),
        (["verify", "TOY", "--objects", "-1"], "not in the range", ""),
        (["verify", "TOY", "--knob", "nmis=-1"], "less than nothing", "0 or more"),
        (["verify", "TOY", "--knob", "cpus=2", "--cpus", "1"], "another value", ""),
        (["verify", "TOY", "--knob", "objects=3000"], "3000 instances", "0 to 1000"),
        (["verify", "TOY", "--engine", "go"], "is not one of", ""),
        (["verify", "TOY", "--tasks", "0"], "no context ever calls the design", "allow a task"),
        (["verify", "TOY", "--objects", "0"], "no context ever calls the design", "an object"),
        (["trace", "nmi_detect/any-context"], "neither a file nor the ID of a trace", "DESIGN/RUN"),
        (["trace", "TOY/tasks/self_dedlock"], "unknown property `self_dedlock`", "`self_deadlock`"),
        (["trace", "TOY/tsks/self_deadlock"], "unknown run of toy `tsks`", "`tasks`"),
        (["trace", "none.json"], "no such file", "check the path"),
        (["prove", "rcu_prt"], "unknown design or recovery `rcu_prt`", "`rcu_ptr`"),
        (["prove", "mainline"], "recovers no start addresses", 'RECOVERY = "..."'),
        (["verify", "."], ". is a directory", "give a design file or a name"),
        (["verify", "DIR"], "folder.py is a directory", "give a design file or a name"),
        (["verify", "/dev/null"], "/dev/null is not a regular file", "give a design file"),
        (["verify", ""], "the name of a design is empty", "give a design file"),
        (["verify", "TOY", "--output", ""], "the name is empty", ""),
        (["new", ""], "the name is empty", "my_design"),
        (["new", "mainline"], "`mainline` is a design that comes with nolock", "another name"),
        (["new", "my-design"], "cannot name a design", "my_design"),
    ],
)
def test_mistakes_are_named_with_a_remedy(
    command: Command, tmp_path: Path, words: list[str], message: str, hint: str
) -> None:
    """Guards against tracebacks and messages that leave the user alone."""
    toy = str(write_toy(tmp_path))
    folder = tmp_path / "folder.py"
    folder.mkdir()
    result = command(*(word.replace("TOY", toy).replace("DIR", str(folder)) for word in words))
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert hint in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"runs": 'run("a", env="smpp", why="x")'}, "unknown environment `smpp`"),
        ({"runs": 'run("a", env="smp", why="x", nmi=1)'}, "unknown knob `nmi`"),
        ({"runs": 'run("a", env="smp", why="x", nmis="1")'}, "is an int or a bool"),
        ({"runs": 'run("a", env="up", why="x", cpus=2)'}, "(environment `up`) and cpus=2 exclude"),
        ({"runs": 'run("a", env="smp", why="x", smp=0)'}, "smp=0 and cpus=2 exclude each other"),
        ({"runs": 'run("a", why="x")'}, "run(...) has no `env`"),
        ({"runs": 'run("a b", env="smp", why="x")'}, "cannot name a run"),
        ({"runs": 'run("a", "smp", why="x")'}, "takes 1 argument(s) without a name"),
        ({"runs": RUNS + RUNS}, "a second run `tasks`"),
        ({"runs": 'run("a", env="smp", why="x", nmis=NONE)'}, "no constant `NONE`"),
        ({"runs": 'run("a", env="smp", why="x", nmis=len("x"))'}, "only literals can stand here"),
        ({"runs": 'run("a", env="smp", why="x", kind="vmalloc")'}, "recovers no addresses"),
        ({"runs": 'run("a", env="smp", why="x", long=True)'}, "number of states the run has had"),
        ({"runs": 'run("a", env="smp", why="x", properties="graec")'}, "unknown property `graec`"),
        ({"runs": "7"}, "this is not run(...)"),
        (
            {"expect": 'expect("*", runs="tsks", verdict="holds", because="x")'},
            "unknown run `tsks`",
        ),
        (
            {"expect": 'expect("*", verdict="hold", because="x")'},
            "unknown verdict `hold`",
        ),
        ({"expect": 'expect("*", verdict="holds", becuse="x")'}, "takes no `becuse`"),
        ({"unreached": 'unreached("f", because="x")'}, "unreached(...) has no `statement`"),
        ({"body": "Toy.lcok = 1"}, "lcok"),
        ({"declarations": "import os"}, "a model file cannot `import os`"),
    ],
)
def test_mistakes_in_a_design_file_are_located(
    command: Command, tmp_path: Path, parts: dict[str, str], message: str
) -> None:
    """Guards against data of a design that is read as something else than what was meant."""
    design = write_toy(tmp_path, **parts)
    result = command("verify", design, "--engine", "python")
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert f"{design}:" in result.stderr
    assert "Traceback" not in result.output
