from dataclasses import replace

from report_records import make_record

from harness.report.groups import group_records, shared_title
from harness.store.record import SampleCounts, unlike_published


def only_group(records):
    (group,) = group_records(records)
    return group


def only_method(records):
    (method,) = only_group(records).methods
    return method


def test_records_of_one_protocol_and_split_make_a_group():
    records = [
        make_record(shots=10),
        make_record("cfm-t", shots=10),
        make_record(shots=10, split="0"),
        make_record(shots="full"),
        make_record(preset="quick"),
        make_record(weights="random"),
        make_record(dataset="toy", category="bump"),
    ]
    groups = group_records(records)
    assert [len(group.methods) for group in groups] == [1, 2, 1, 1, 1, 1]
    assert [group.title for group in groups] == [
        "Toy (embedded), all training samples, preset paper, pretrained weights",
        "MVTec 3D-AD, 10 training samples (split first), preset paper, pretrained weights",
        "MVTec 3D-AD, 10 training samples (split 0), preset paper, pretrained weights",
        "MVTec 3D-AD, all training samples, preset paper, pretrained weights",
        "MVTec 3D-AD, all training samples, preset paper, random weights",
        "MVTec 3D-AD, all training samples, preset quick, pretrained weights",
    ]


def test_numbers_of_samples_that_are_not_published_stand_in_the_title():
    def titled(*counts, **changes):
        records = [
            make_record(method, category, samples=SampleCounts(train, test), **changes)
            for method, category, train, test in counts
        ]
        return (
            only_group(records).title.removeprefix("MVTec 3D-AD, ").removesuffix(", preset paper, pretrained weights")
        )

    assert titled(("cfm", "bagel", 244, 110), ("cfm", "tire", 210, 112)) == "all training samples"
    assert titled(("cfm", "bagel", 14, 110)) == "14 of 244 training samples"
    assert titled(("cfm", "bagel", 14, 110), ("cfm", "tire", 210, 112)) == "224 of 454 training samples"
    assert titled(("cfm", "bagel", 14, 110), ("btf", "bagel", 244, 9)) == (
        "14 to 244 of 244 training samples, 9 to 110 of 110 test samples"
    )
    assert titled(("cfm", "bagel", 10, 110), shots=10) == "10 training samples (split first)"
    assert titled(("cfm", "bagel", 10, 9), shots=10) == "10 training samples (split first), 9 of 110 test samples"
    assert titled(("cfm", "bagel", 0, 110), checkpoint="abc") == "all training samples"
    assert titled(("cfm", "bagel", None, None)) == "all training samples"


def test_shots_are_sorted_as_numbers_and_full_is_last():
    groups = group_records([make_record(shots=shots) for shots in ("full", 50, 5, 10)])
    assert [group.shots for group in groups] == [5, 10, 50, "full"]


def test_two_ways_to_name_the_same_parameters_are_one_method():
    one = make_record("cfm", "bagel")
    other = make_record("cfm[aggregate=product]", "foam")
    assert sorted(only_method([one, other]).records) == ["bagel", "foam"]


def test_methods_of_one_label_with_other_parameters_are_told_apart():
    now = make_record("cfm")
    before = make_record("cfm", parameters={**now.cell.parameters, "epochs": 100})
    labels = [method.label for method in only_group([now, before]).methods]
    assert labels == ["cfm[epochs=100]", "cfm[epochs=250]"]


def test_a_record_from_before_a_parameter_existed_is_told_apart_and_the_label_stays_with_those_that_have_it():
    now = make_record("cfm[mapping=intra]")
    parameters = {name: value for name, value in now.cell.parameters.items() if name != "intra_hidden"}
    before = make_record("cfm[mapping=intra]", parameters=parameters, shift=-0.1)
    assert before.cell.id != now.cell.id
    labels = {method.label: method.records["bagel"] for method in only_group([now, before]).methods}
    assert labels == {"cfm[mapping=intra]": now, "cfm[intra_hidden=none,mapping=intra]": before}


def test_released_weights_are_a_row_of_their_own():
    methods = only_group([make_record(), make_record(checkpoint="abc")]).methods
    assert [method.label for method in methods] == ["cfm", "cfm (released weights)"]


def test_of_two_records_of_a_category_the_newer_counts_and_the_older_is_told():
    older = make_record(data_digest="before", shift=-0.5)
    newer = replace(make_record(), created="2026-02-02T00:00:00+00:00")
    for records in ([older, newer], [newer, older]):
        method = only_method(records)
        assert method.records["bagel"] is newer
        assert method.replaced == ("bagel",)


def test_a_failed_category_is_never_averaged_and_is_named():
    method = only_method([make_record(), make_record(category="foam", status="oom", reason="CUDA out of memory")])
    assert list(method.ok) == list(method.among(["bagel", "foam", "tire"])) == ["bagel"]
    assert method.why_missing("foam") == "foam (oom: CUDA out of memory)"
    assert method.why_missing("tire") == "tire (not run)"


def test_a_long_reason_is_shortened():
    method = only_method([make_record(status="failed", reason="word " * 100)])
    assert len(method.why_missing("bagel")) < 130


def test_every_title_names_a_version_of_the_protocol_that_is_not_that_of_today():
    records = [make_record(shots=shots) for shots in (5, 10)]
    later = [replace(r, cell=replace(r.cell, protocol=replace(r.cell.protocol, version=2))) for r in records]
    today, other = (group_records(some) for some in (records, later))
    assert not any("version" in title for title in (*(group.title for group in today), shared_title(today)))
    assert all(
        title.endswith("protocol version 2") for title in (*(group.title for group in other), shared_title(other))
    )
    assert len(group_records([*records, *later])) == 4


def test_validation_samples_that_are_missing_are_told_of_their_method_alone():
    counts = SampleCounts(train=1000, test=50, validation=50)
    record = replace(make_record("cfm", "CandyCane", dataset="eyecandies"), samples=counts)
    assert unlike_published([record]) == {"validation": "50 of 100 validation samples"}
    (group,) = group_records([record, make_record("btf", "CandyCane", dataset="eyecandies")])
    assert group.unlike_published == {}
