package bench

// inBundles is the folder of the benchmarks of what auditors check.
const inBundles = "shared/evidence/bundle:"

// evidenceFigures: how large evidence is, and what checking it costs.
func evidenceFigures() (all []Figure) {
	const group = "Evidence, checked offline (linewatch-verify)"
	all = append(all,
		Figure{Group: group, What: "a proof out of ten million leaves, with its receipt", Of: Ref{inBundles + "VerifyProofOfTenMillion", "bytes"}, Unit: "B"},
		Figure{Group: group, What: "the same, time to check", Of: Ref{inBundles + "VerifyProofOfTenMillion", "ns/op"}, Unit: "ms", Scale: 1e-6},
	)
	for _, c := range []struct{ name, what string }{
		{"text/100-per-commit", "a whole log as text, 100 events per commit"},
		{"text/1-per-commit", "a whole log as text, a commit and a receipt for each event"},
		{"packed/100-per-commit", "a whole log packed, 100 events per commit"},
	} {
		all = append(all,
			Figure{Group: group, What: c.what, Of: Ref{inBundles + "VerifyLog/" + c.name, "events/s"}, Unit: "/s"},
			Figure{Group: group, What: c.what + ": size of an event", Of: Ref{inBundles + "VerifyLog/" + c.name, "bytes/event"}, Unit: "B"},
		)
	}
	return all
}
