from __future__ import annotations

import bioclip_search.doctor as doctor


def test_each_finding_that_needs_mending_says_how():
    findings = list(doctor.examine())
    told = {finding.what: finding for finding in findings}
    assert told["torch"].state
    assert told["torch + torchvision"].state == "load together"
    assert "threads" in told["device"].state or "cuda" in told["device"].state
    assert all(finding.mend for finding in findings if finding.is_fault)


def test_a_torchvision_of_another_torch_is_recognised():
    def mismatched(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    finding = doctor.torch_pair(mismatched)
    assert finding.is_fault
    assert "operator torchvision::nms" in finding.state
    assert "pip install --force-reinstall torch torchvision" in finding.mend


def test_a_missing_package_and_a_missing_extra_are_told_apart(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda package: None)
    assert all(finding.is_fault for finding in doctor._needed_packages())
    extras = list(doctor._extras())
    assert not any(finding.is_fault for finding in extras)
    assert extras[0].mend.startswith("pip install 'bioclip-search[")
