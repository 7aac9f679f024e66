"""Install the languages' tools on Debian or Ubuntu and prepare what makes them fast: `make toolchains`.

Only what is missing is installed. Works as root or with sudo; `--print` shows the commands and runs none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

from runners import kit, tools
from runners.languages import LANGUAGES

NPM_PACKAGES = ("js-md5@0.7.3", "lodash@4.17.21", "typescript@5.9.3")
"""What programs of HumanEval-X (JavaScript/162) and MBXP import, and the compiler of TypeScript."""


def commands() -> list[list[str]]:
    """What has to be run here, in order; empty where nothing is missing."""
    lacking = {name: tools.missing(language) for name, language in LANGUAGES.items()}
    from_npm = str(tools.node_modules())
    wanted = [
        package
        for name, missing in lacking.items()
        if any(not need.startswith(from_npm) for need in missing)
        for package in LANGUAGES[name].packages
        if package != "npm"
    ]
    needs_npm = any(need.startswith(from_npm) for missing in lacking.values() for need in missing)
    if needs_npm and shutil.which("npm") is None:
        wanted.append("npm")
    found: list[list[str]] = []
    if wanted:
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        found.append([*sudo, "apt-get", "update", "-qq"])
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        found.append([*sudo, *install, *dict.fromkeys(wanted)])
    if needs_npm:
        options = ["--no-audit", "--no-fund", "--no-save", "--loglevel=error"]
        found.append(["npm", "install", *options, "--prefix", str(tools.node_modules().parent), *NPM_PACKAGES])
    return found


def main() -> None:
    """Install, then prepare; exit status 1 where a language still cannot be used."""
    wanted = commands()
    if "--print" in sys.argv[1:]:
        for command in wanted:
            sys.stdout.write(" ".join(command) + "\n")
        return
    tools.node_modules().parent.mkdir(parents=True, exist_ok=True)
    for command in wanted:
        sys.stdout.write("+ " + " ".join(command) + "\n")
        sys.stdout.flush()
        done = subprocess.run(command, check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        if done.returncode != 0:
            sys.exit(f"{command[0]} failed with status {done.returncode}")
    tools.forget()
    sys.exit(0 if all(list(map(_prepare, LANGUAGES))) else 1)


def _prepare(name: str) -> bool:
    """Prepare one language, and say how it went."""
    language = LANGUAGES[name]
    if missing := tools.missing(language):
        sys.stdout.write(f"no  {language.title:<11} {', '.join(missing)} missing\n")
        return False
    began = time.monotonic()
    try:
        kit.warm_up(language)
    except kit.KitError as error:
        sys.stdout.write(f"no  {language.title:<11} {error}\n")
        return False
    sys.stdout.write(f"ok  {language.title:<11} {tools.version(language)} ({time.monotonic() - began:.1f} s)\n")
    return True


if __name__ == "__main__":
    main()
