from dataclasses import replace

from report_records import full_record, make_record

from harness.report.frame import records_frame
from harness.store.environment import Environment


def test_every_record_is_a_row_with_what_was_measured():
    full = full_record(1)
    busy = replace(full_record(2, category="foam"), environment=Environment(contended=True))
    frame = records_frame([full, busy, make_record(category="tire", status="oom", reason="x")])
    assert list(frame["category"]) == ["bagel", "foam", "tire"]
    assert frame.loc[0, "device_median_ms"] == full.latency.device.median_ms
    assert frame.loc[0, "peak_inference_mb"] == full.memory.peak_inference.mb
    assert frame.loc[0, "memory_mb"] == 437.908
    assert frame[["device_events_median_ms", "peak_inference_reserved_mb"]].isna().all(axis=None)
    assert frame["contended"].tolist() == [False, True, False]
    assert frame.loc[2, ["i_auroc", "device_median_ms"]].isna().all()
