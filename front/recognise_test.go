package front

import "testing"

func TestCutTarget(t *testing.T) {
	for target, want := range map[string][2]string{
		"Logs_20140328.CreateLogGroup":                                        {"Logs_20140328", "CreateLogGroup"},
		"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents": {"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101", "LookupEvents"},
		"Nonsense": {"Nonsense", ""}, "": {}, ".": {},
	} {
		if service, operation := cutTarget(target); service != want[0] || operation != want[1] {
			t.Errorf("%q: %q, %q", target, service, operation)
		}
	}
}
