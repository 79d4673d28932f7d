package bench

// Folders of the benchmarks of what is checked and sealed.
const (
	inBundles = "shared/evidence/bundle:"
	inVerify  = "aggregator/verify:"
	inSeal    = "shared/seal:"
)

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
	const whole = "Evidence, the aggregator's own verify of a whole store"
	for _, db := range []struct{ name, what string }{{"sqlite", "SQLite"}, {"postgres", "PostgreSQL"}} {
		all = append(all,
			Figure{Group: whole, What: db.what + ", evidence and each row of the read model", Of: Ref{inVerify + "Verify/" + db.name + "/with_rows", "events/s"}, Unit: "/s"},
			Figure{Group: whole, What: db.what + ", evidence alone", Of: Ref{inVerify + "Verify/" + db.name + "/evidence_alone", "events/s"}, Unit: "/s"},
		)
	}
	return append(all, sealedFigures()...)
}

// sealedFigures: what keeping a field readable only for some costs.
func sealedFigures() []Figure {
	const group = "Sealed fields"
	return []Figure{
		{Group: group, What: "an event with one sealed person through the pipeline", Of: Ref{inPipeline + "Event/sealed", "ns/op"}, Peer: Ref{inPipeline + "Event/clear", "ns/op"}, PeerName: "the same in clear", Unit: "ns"},
		{Group: group, What: "the field policy on an event without anything to seal", Of: Ref{inSeal + "Policy", "ns/op"}, Unit: "ns"},
		{Group: group, What: "one field sealed", Of: Ref{inSeal + "Seal", "ns/op"}, Unit: "ns"},
		{Group: group, What: "one field opened", Of: Ref{inSeal + "Open", "ns/op"}, Unit: "ns"},
		{Group: group, What: "a new data key, once a person and month (P-256)", Of: Ref{inSeal + "NewDataKey/p256", "ns/op"}, Unit: "µs", Scale: 1e-3},
		{Group: group, What: "the same with ML-KEM-768 beside P-256", Of: Ref{inSeal + "NewDataKey/mlkem768-p256", "ns/op"}, Unit: "µs", Scale: 1e-3},
	}
}
