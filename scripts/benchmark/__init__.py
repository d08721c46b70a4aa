"""The benchmark: SIPp caller -> system under test -> SIPp callee, all on loopback (see scripts/bench)."""
