"""The wrapper that sets up a machine: what it says and leaves behind, on made-up machines."""

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

TOXW = Path(__file__).parents[2] / "toxw"

# What the script may take for granted on any Linux; everything else is made up.
EVERYWHERE = {
    name: shutil.which(name)
    for name in [
        *("cat", "chmod", "cp", "flock", "grep", "head", "ln", "mkdir"),
        *("mktemp", "mv", "rm", "sed", "sh", "sleep", "sort", "tail", "tr"),
    ]
}

LAB_PROGRAMS = (
    "dockerd docker sshd ssh ssh-keygen busybox ip ping unshare nsenter mount newuidmap nft"
)

# Stands for python3, and, copied, for the Python of the virtual environment it "makes". With
# FAKE_VERSION it is that old; with FAKE_NO_VENV it has no ensurepip until apt-get has run.
PYTHON = """
case "$*" in
*sys.version_info*) printf '%s\\n%s\\n%s\\n' "${FAKE_VERSION:-3.11.2}" "${FAKE_AGE:-ok}" "$0" ;;
*ensurepip*) [ -z "${FAKE_NO_VENV-}" ] || [ -e "$FAKE_ROOT/installed" ] ;;
*'-m venv'*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && echo venv >>"$FAKE_ROOT/log" ;;
*'-m pip'*) [ -z "${FAKE_NO_PYPI-}" ] || { echo 'ERROR: no such host' >&2; exit 1; } ;;
*tox.run*) shift 3; echo "tox got: $*" ;;
*) echo "unexpected: $*" >&2; exit 99 ;;
esac
"""

# Notes what it is called with and whether Debian was told to start nothing. Installs all programs.
APT_GET = """
echo "$*" >>"$FAKE_ROOT/log"
case "$*" in
*' -s '*) [ -z "${FAKE_REMOVES-}" ] || echo "Remv $FAKE_REMOVES [1.0]" ;;
*' install -y '*)
    policy=$FAKE_ROOT/usr/sbin/policy-rc.d
    if [ -x "$policy" ] && "$policy"; then :; else echo "policy says $?" >>"$FAKE_ROOT/log"; fi
    if [ "${FAKE_SIGNAL-}" ]; then
        kill -"$FAKE_SIGNAL" $PPID
        [ "${FAKE_ORPHAN-}" ] || exit 100
        sleep 0.1
    fi
    [ -z "${FAKE_NO_ARCHIVE-}" ] || { echo 'E: Failed to fetch it' ; exit 100; }
    : >"$FAKE_ROOT/installed"
    cd "$FAKE_ROOT/usr/sbin"
    for program in $FAKE_PROGRAMS; do ln -sf ../../bin/true "$program"; done
    ;;
esac
"""


@dataclass
class Machine:
    """A folder that stands for a machine, with a copy of the repository's toxw on it."""

    root: Path
    environment: dict[str, str]

    def program(self, name: str, script: str) -> None:
        """Put a shell script into the machine's PATH."""
        path = self.root / "bin" / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        path.chmod(0o755)

    def remove(self, *names: str) -> None:
        """Take programs away."""
        for name in names:
            (self.root / "bin" / name).unlink()

    def toxw(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it, from a folder that is not the repository."""
        return subprocess.run(
            [self.root / "the repo/toxw", *arguments],
            cwd=self.root,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    def log(self) -> list[str]:
        """Tell what was called that changes something."""
        log = self.root / "log"
        return log.read_text("utf-8").splitlines() if log.exists() else []

    @property
    def policy(self) -> Path:
        """Debian's switch that forbids to start services."""
        return self.root / "usr/sbin/policy-rc.d"


def make_machine(tmp_path: Path) -> Machine:
    """Root's Linux machine that has all the lab needs, but no tox yet."""
    for folder in ("bin", "usr/bin", "usr/sbin", "etc/apt", "the repo"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(TOXW, tmp_path / "the repo/toxw")
    for name, path in EVERYWHERE.items():
        assert path, f"{name} is not in PATH"
        (tmp_path / "bin" / name).symlink_to(path)
    environment = {
        "PATH": str(tmp_path / "bin"),
        "TOXW_SYSROOT": str(tmp_path),
        "FAKE_ROOT": str(tmp_path),
        "FAKE_PROGRAMS": LAB_PROGRAMS,
    }
    machine = Machine(tmp_path, environment)
    machine.program("true", "exit 0")
    machine.program("uname", "echo ${FAKE_SYSTEM:-Linux}")
    machine.program("id", '[ "$1" = -u ] && echo ${FAKE_UID:-0} || echo somebody')
    machine.program("apt-get", APT_GET)
    for name in LAB_PROGRAMS.split():
        (tmp_path / "bin" / name).symlink_to("true")
    machine.program("python3", PYTHON)
    (tmp_path / "bin/python3").rename(tmp_path / "usr/bin/python3")
    return machine


@pytest.fixture
def fresh(tmp_path: Path) -> Machine:
    """Before the first start."""
    return make_machine(tmp_path)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a first start leaves in the repository."""
    first = make_machine(tmp_path_factory.mktemp("started"))
    assert first.toxw("list").returncode == 0
    return first.root / "the repo/.tox"


@pytest.fixture
def machine(fresh: Machine, started: Path) -> Machine:
    """After the first start."""
    shutil.copytree(started, fresh.root / "the repo/.tox")
    return fresh


def test_first_start_makes_a_tox_and_the_second_uses_it(fresh: Machine) -> None:
    """All arguments arrive, and nothing is installed twice."""
    first = fresh.toxw("run", "-e", "lab", "--", "-k", "c1 or c2")
    assert first.stdout == "tox got: run -e lab -- -k c1 or c2\n"
    assert "installing tox==" in first.stderr
    second = fresh.toxw("run", "-e", "lab")
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout == "tox got: run -e lab\n"
    assert fresh.log() == ["venv"]


@pytest.mark.parametrize("reason", ["pin", "python"])
def test_tox_is_made_anew(machine: Machine, reason: str) -> None:
    """Another version wanted, or its Python gone: the old one is of no use."""
    toxw = machine.root / "the repo/toxw"
    if reason == "pin":
        toxw.write_text(toxw.read_text("utf-8").replace("'tox==", "'tox==9", 1), "utf-8")
    else:
        (machine.root / "the repo/.tox/.toxw/bin/python").unlink()
    result = machine.toxw("list")
    assert "installing tox==" in result.stderr
    assert machine.log() == ["venv"]


def test_a_failed_first_start_leaves_nothing_that_looks_complete(fresh: Machine) -> None:
    """Without network: pip's words, then what to look at; with it, all is made."""
    result = fresh.toxw("list", FAKE_NO_PYPI="1")
    assert result.returncode == 1
    assert "ERROR: no such host" in result.stderr
    assert "Is the network there" in result.stderr
    assert [path.name for path in (fresh.root / "the repo/.tox").iterdir()] == ["toxw-pip.log"]
    assert fresh.toxw("list").stdout == "tox got: list\n"


def test_not_linux(machine: Machine) -> None:
    """One sentence."""
    result = machine.toxw("run", "-e", "lab", FAKE_SYSTEM="Darwin")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(
        "toxw: this is Darwin, and the lab consists of Linux namespaces"
    )
    assert result.stderr.count("\n") == 1


def test_old_python(fresh: Machine) -> None:
    """One sentence that tells which one was found."""
    result = fresh.toxw("list", FAKE_VERSION="3.9.2", FAKE_AGE="old")
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed" in result.stderr
    assert "usr/bin/python3 is 3.9.2" in result.stderr
    assert result.stderr.count("\n") == 1


def test_named_python_is_taken_or_refused(fresh: Machine) -> None:
    """TOXW_PYTHON comes before all others, and is not passed over when it is wrong."""
    other = fresh.root / "other python"
    (fresh.root / "usr/bin/python3").rename(other)
    assert fresh.toxw("list", TOXW_PYTHON=str(other)).returncode == 0
    result = fresh.toxw("list", TOXW_PYTHON="/no/such/python")
    assert result.returncode == 1
    assert "TOXW_PYTHON=/no/such/python is no Python 3.11 or newer" in result.stderr


def test_ordinary_user_is_told_what_to_type(machine: Machine) -> None:
    """Packages by name, only the missing ones, and nothing is tried."""
    machine.remove("dockerd", "docker", "newuidmap")
    result = machine.toxw("run", "-e", "lab", FAKE_UID="1000")
    assert result.returncode == 1
    assert "dockerd, docker, newuidmap missing" in result.stderr
    install = (
        "sudo apt-get update && sudo apt-get install --no-install-recommends docker.io uidmap\n"
    )
    assert install in result.stderr
    assert machine.log() == []


def test_ordinary_user_goes_on_when_all_is_there(machine: Machine) -> None:
    """Root is only needed to install."""
    assert machine.toxw("run", "-e", "lab", FAKE_UID="1000").stdout == "tox got: run -e lab\n"


def test_no_apt(machine: Machine) -> None:
    """On another distribution: what is missing, and what Debian calls it."""
    machine.remove("ping", "apt-get")
    result = machine.toxw("run", "-e", "test")
    assert result.returncode == 1
    assert "ping missing, and there is no apt-get" in result.stderr
    assert result.stderr.endswith("Debian's packages are: iputils-ping\n")


@pytest.mark.parametrize(
    ("arguments", "environment", "packages"),
    [
        (["run", "-e", "lab"], {}, "iproute2"),
        (["run", "-elab"], {}, "iproute2"),
        (["run", "-qe", "test,x"], {}, "iproute2 uidmap nftables"),
        (["run", "--env=x", "--env", "bench"], {}, "iproute2 fping"),
        (
            ["run", "-e", "vm"],
            {},
            "iproute2 qemu-system-x86 qemu-utils mmdebstrap cpio lz4 e2fsprogs util-linux",
        ),
        (["run", "-e", "chaos"], {}, "iproute2 nftables"),
        (["run"], {}, "iproute2 uidmap nftables"),
        (["run"], {"TOXENV": "lab"}, "iproute2"),
        (["run", "-e", "ALL"], {"TOXENV": "x"}, "iproute2 uidmap nftables"),
        (["run", "-e", "report"], {}, "chromium poppler-utils npm"),
        (["run", "-e", "x", "--", "-e", "lab"], {}, ""),
        (["config", "-e", "lab"], {}, ""),
        (["run", "--help"], {}, ""),
    ],
)
def test_packages_of_an_environment(
    machine: Machine, arguments: list[str], environment: dict[str, str], packages: str
) -> None:
    """However tox is told which environment to run, its packages are seen to."""
    machine.remove("ip", "newuidmap", "nft", "apt-get")
    result = machine.toxw(*arguments, **environment)
    _, _, asked = result.stderr.partition("Debian's packages are: ")
    assert asked.strip() == packages
    assert (result.returncode == 0) == (not packages)


def test_root_installs_and_nothing_is_started(fresh: Machine) -> None:
    """One line before, one apt run, under a policy that is gone afterwards."""
    fresh.remove("dockerd", "docker", "sshd")
    result = fresh.toxw("run", "-e", "lab", FAKE_NO_VENV="1")
    assert result.stdout == "tox got: run -e lab\n"
    line = "toxw: installing the Debian packages docker.io openssh-server python3-venv (dockerd,"
    assert result.stderr.startswith(line)
    rehearsal, install, policy, venv = fresh.log()
    assert " -s install " in rehearsal
    assert install.endswith("-y --no-install-recommends docker.io openssh-server python3-venv")
    assert policy == "policy says 101"
    assert venv == "venv"
    assert not fresh.policy.exists()


def test_a_policy_of_the_machine_is_left_alone(machine: Machine) -> None:
    """Neither written over nor removed."""
    machine.remove("sshd")
    machine.policy.write_text("#!/bin/sh\nexit 7\n", "utf-8")
    machine.policy.chmod(0o755)
    assert machine.toxw("run", "-e", "lab").returncode == 0
    assert "policy says 7" in machine.log()
    assert machine.policy.read_text("utf-8") == "#!/bin/sh\nexit 7\n"


@pytest.mark.parametrize(("signal", "code"), [("HUP", 129), ("INT", 130), ("TERM", 143)])
def test_the_policy_is_removed_when_interrupted(machine: Machine, signal: str, code: int) -> None:
    """A signal in the middle of apt-get ends the start, and its policy with it."""
    machine.remove("sshd")
    result = machine.toxw("run", "-e", "lab", FAKE_SIGNAL=signal)
    assert (result.returncode, result.stdout) == (code, "")
    assert "policy says 101" in machine.log()
    assert not machine.policy.exists()


def test_the_policy_is_removed_when_apt_fails(machine: Machine) -> None:
    """Old lists are tried as the reason first; then apt's complaint is shown."""
    machine.remove("sshd")
    result = machine.toxw("run", "-e", "lab", FAKE_NO_ARCHIVE="1")
    assert result.returncode == 1
    assert "E: Failed to fetch it\n" in result.stderr
    assert [line.split()[-1] for line in machine.log()].count("update") == 1
    assert not machine.policy.exists()


def test_the_policy_left_by_a_killed_start_is_removed(machine: Machine) -> None:
    """It would keep the machine from starting whatever it installs from now on."""
    machine.remove("sshd")
    machine.toxw("run", "-e", "lab", FAKE_SIGNAL="KILL")
    left = machine.policy.read_bytes()
    assert machine.toxw("run", "-e", "lab").returncode == 0
    assert not machine.policy.exists()
    # the same where the killed start had installed everything
    machine.policy.write_bytes(left)
    assert machine.toxw("run", "-e", "lab").returncode == 0
    assert not machine.policy.exists()


def test_a_killed_start_whose_apt_works_on_is_waited_for(machine: Machine) -> None:
    """Its policy holds until apt is through, and then goes."""
    machine.remove("sshd")
    machine.toxw("run", "-e", "lab", FAKE_SIGNAL="KILL", FAKE_ORPHAN="1")
    result = machine.toxw("run", "-e", "lab")
    assert result.stdout == "tox got: run -e lab\n"
    assert "waiting for another start that is installing Debian packages" in result.stderr
    assert sum(" -y " in line for line in machine.log()) == 1
    assert not machine.policy.exists()


def test_the_policy_of_a_start_at_work_is_left_alone(machine: Machine) -> None:
    """What that one installs must not be started."""
    machine.remove("sshd")
    machine.toxw("run", "-e", "lab", FAKE_SIGNAL="KILL")
    (machine.root / "usr/sbin/sshd").symlink_to("../../bin/true")
    lock = os.open(machine.root / "etc/apt", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert machine.toxw("run", "-e", "lab").returncode == 0
    finally:
        os.close(lock)
    assert machine.policy.exists()


def test_packages_that_would_push_out_others_are_not_installed(machine: Machine) -> None:
    """A user's own programs are worth more than a quick start."""
    machine.remove("dockerd")
    result = machine.toxw("run", "-e", "lab", FAKE_REMOVES="podman-docker")
    assert result.returncode == 1
    assert "nothing was installed, for apt would remove: podman-docker." in result.stderr
    assert not any(" -y " in line for line in machine.log())


def test_busybox_must_be_static(machine: Machine) -> None:
    """In a container that holds nothing else, one that asks for a loader does not run."""
    machine.program("busybox", "# /lib64/ld-linux-x86-64.so.2")
    machine.remove("apt-get")
    result = machine.toxw("run", "-e", "lab")
    assert result.stderr.endswith("Debian's packages are: busybox-static\n")


@pytest.mark.parametrize(
    ("setting", "value", "advice"),
    [
        ("proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
        (
            "proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("etc/subuid", "else:100000:65536", "usermod --add-subuids 100000-165535"),
        ("proc/self/ns", None, "this kernel has no user namespaces"),
    ],
)
def test_user_without_namespaces(
    machine: Machine, setting: str, value: str | None, advice: str
) -> None:
    """The reason and what to type, in one line; for the lab alone."""
    machine.program("unshare", "echo 'unshare: Operation not permitted' >&2; exit 1")
    if value is not None:
        (machine.root / "proc/self/ns").mkdir(parents=True)
        (machine.root / "proc/self/ns/user").touch()
        (machine.root / setting).parent.mkdir(parents=True, exist_ok=True)
        (machine.root / setting).write_text(f"{value}\n", "utf-8")
    result = machine.toxw("run", "-e", "lab", FAKE_UID="1000")
    assert (result.returncode, result.stdout) == (1, "")
    assert advice in result.stderr
    assert result.stderr.count("\n") == 1
    assert machine.toxw("run", "-e", "test", FAKE_UID="1000").returncode == 0


def test_root_without_namespaces(machine: Machine) -> None:
    """As in an ordinary container."""
    machine.program("unshare", "echo 'unshare: Operation not permitted' >&2; exit 1")
    result = machine.toxw("run", "-e", "lab")
    assert result.returncode == 1
    assert "(unshare: Operation not permitted). In a container?" in result.stderr


def test_without_arguments(machine: Machine) -> None:
    """The two commands."""
    result = machine.toxw()
    assert (result.returncode, result.stdout) == (2, "")
    assert "./toxw run -e lab " in result.stderr
    assert "./toxw run -e test " in result.stderr


def test_is_executable() -> None:
    """A clone's two commands are typed without sh before them."""
    assert os.access(TOXW, os.X_OK)
