"""The simulated instance that the calls go to, from the environment that `scripts/fidelity` sets."""

import os

import requests

HOST = os.environ["FIDELITY_HOST"]
URL = f"https://{HOST}"
ADMIN = ("admin", "admin")
INTERLOCK = ("interlock", "interlock")
CLIENT = ("interlock-client", "interlock-client-secret")
CERTIFICATE = os.environ["FIDELITY_CLIENT"]

ADMIN_ID = "6816f79cc0a8016401c5a33be04be441"
INTERLOCK_ID = "26fbff173b331300ad3cc9bb34efc4bd"
CHANGE_MANAGEMENT = "a715cd759f2002002920bde8132e7018"


def fault(name, **params):
    """Breaks the next request in this way."""
    requests.post(f"{URL}/__sim/faults", json={"fault": name, "params": params}, timeout=10).raise_for_status()
