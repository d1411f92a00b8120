"""The network from which a proxy connects: `entrypoint doctor` proposes it for FORWARDED_ALLOW_IPS."""

import pytest

from entrypoint.boot.diagnosis import network_of

HEADER = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
OF_ETH0 = "eth0 000011AC 00000000 0001 0 0 0 0000FFFF 0 0 0\n"
BY_A_GATEWAY = "eth0 00000000 010011AC 0003 0 0 0 00000000 0 0 0\n"
WITHOUT_A_GATEWAY = "eth0 00000000 00000000 0001 0 0 0 00000000 0 0 0\n"
OF_ETH1 = "eth1 0000000A 00000000 0001 0 0 0 000000FF 0 0 0\n"


@pytest.mark.parametrize(
    ("routes", "network"),
    [
        (HEADER + BY_A_GATEWAY + OF_ETH0, "172.17.0.0/16"),
        (HEADER + OF_ETH1 + BY_A_GATEWAY + OF_ETH0, "172.17.0.0/16"),
        (HEADER + WITHOUT_A_GATEWAY + OF_ETH0, "172.17.0.0/16"),
        (HEADER + WITHOUT_A_GATEWAY, ""),
        (HEADER + OF_ETH1, ""),
        (HEADER, ""),
        ("", ""),
    ],
    ids=["docker", "two networks", "no gateway", "only the route", "no route", "no rows", "no file"],
)
def test_the_network_is_that_of_the_interface_with_the_default_route(routes: str, network: str) -> None:
    assert network_of(routes) == network
