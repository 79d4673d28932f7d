package bench

// detectionFigures: all detectors together cost less than 1 µs per value and 16 KiB
// per signal beside the ring of the flight recorder.
func detectionFigures() []Figure {
	const group, in = "Detection on the agent", "agent/detect/setup:"
	return []Figure{
		{Group: group, What: "a value through all detectors (limits, health, novelty, trend, recorder), ageing on", Of: Ref{in + "AValueThroughAllDetectors", "ns/value"}, Unit: "ns", Plus: 1000},
		{Group: group, What: "10,000 values/s of 1,000 signals", Of: Ref{in + "AValueThroughAllDetectors", "%core@10k/s"}, Unit: "% of a core"},
		{Group: group, What: "memory of a signal after 10 hours, without the 8 KiB of the recorder", Of: Ref{in + "MemoryOfASignal", "KiB/signal"}, Unit: "KiB", Plus: 16},
		{Group: group, What: "a value into the flight recorder", Of: Ref{"agent/detect/recorder:Add", "ns/op"}, Unit: "ns"},
		{Group: group, What: "a value against four limits", Of: Ref{"agent/detect/limits:Level", "ns/op"}, Unit: "ns"},
	}
}
