"""What pyproject.toml cannot say: with RESOURCE_PROXY_COMPILE=1 the path of a request is compiled, too (mypyc).

The modules stay what they are in Python, which is the reference, and what runs where nothing was compiled. Left out are
those that a request seldom sees, and what mypyc does not take: async generators, functions defined by condition.
"""

import os
from pathlib import Path

from setuptools import setup

COMPILED = [
    *sorted(str(path) for path in Path("proxy/core").glob("[!_]*.py")),
    *(f"proxy/{name}.py" for name in "attempts backlog identity links model pipeline plan runtime".split()),
    *(f"proxy/{name}.py" for name in "secret shape traffic urls".split()),
    *(f"proxy/state/{name}.py" for name in "allowance".split()),
    *(f"proxy/telemetry/{name}.py" for name in "lines requests".split()),
    *(f"proxy/credentials/{name}.py" for name in "store".split()),
    *(f"proxy/upstream/{name}.py" for name in "asking body conceal connection framing lanes peek".split()),
    *(f"proxy/upstream/{name}.py" for name in "pool stream transport watch wire".split()),
    *(f"proxy/web/{name}.py" for name in "answer chunks client connection express framing handler".split()),
    *(f"proxy/web/{name}.py" for name in "head hits inbox line serving".split()),
]


def extensions() -> list[object]:
    if os.environ.get("RESOURCE_PROXY_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    return mypycify(["--config-file=", *COMPILED], opt_level="3", debug_level="0", group_name="resource_proxy")


setup(ext_modules=extensions())
