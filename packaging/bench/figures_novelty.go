package bench

// inNovelty is the folder of the benchmarks of learnt novelty.
const inNovelty = "agent/detect/novelty:"

// noveltyFigures: how quiet learnt novelty is on clean data, and what it finds.
func noveltyFigures() (all []Figure) {
	const quiet = "Learnt novelty on clean data, 20 signals, worst of 0.1, 1 and 10 Hz"
	for _, kind := range []string{"constant", "noisy", "daily", "batch", "products", "recipes", "weekend"} {
		name := inNovelty + "CleanStation/" + kind + "/*"
		all = append(all,
			Figure{Group: quiet, What: kind + ", alerts per shift", Of: Ref{name, "alerts/shift"}, Unit: "alerts", Plus: 1},
			Figure{Group: quiet, What: kind + ", most alerts in any 8 hours", Of: Ref{name, "most-alerts/8h"}, Unit: "alerts", Plus: 1},
			Figure{Group: quiet, What: kind + ", groups and lasting ones per shift, before the budget", Of: Ref{name, "candidates/shift"}, Unit: "groups"},
			Figure{Group: quiet, What: kind + ", marks per signal and day", Of: Ref{name, "marks/signal-day"}, Unit: "marks", Plus: 3},
		)
	}
	for _, rate := range []string{"0.1Hz", "1Hz", "10Hz"} {
		const group = "Injected faults that learnt novelty marks, mean of all kinds of data"
		for _, kind := range []string{"spike", "step", "drift", "noise", "flatline", "frozen", "slow"} {
			name := inNovelty + "Faults/" + rate
			all = append(all, Figure{Group: group, What: kind + ", " + rate, Of: Ref{name, kind + "-%"}, Unit: "%"})
		}
	}
	all = append(all, stuckFigures()...)
	const cost = "Learnt novelty, cost"
	for _, rate := range []string{"0.1Hz", "1Hz", "10Hz"} {
		name := inNovelty + "Detector/" + rate
		all = append(all, Figure{Group: cost, What: "processor time of a value at " + rate, Of: Ref{name, "cpu-ns/value"}, Unit: "ns", Plus: 1000})
	}
	return append(all, Figure{
		Group: cost, What: "heap of a signal, aged, with all views", Of: Ref{inNovelty + "Detector/*", "B/signal"}, Unit: "B", Plus: 16384,
	})
}

// stuckFigures: what the health of a signal finds of sensors that are stuck, and how
// quiet it is on the same clean data.
func stuckFigures() (all []Figure) {
	const in, group = "agent/detect/health:", "Stuck sensors, found by the health of a signal"
	for _, rate := range []string{"0.1Hz", "1Hz", "10Hz"} {
		for _, kind := range []string{"flatline", "frozen"} {
			all = append(all, Figure{Group: group, What: kind + " for an hour, " + rate + ", signals that move", Of: Ref{in + "Faults/" + rate, kind + "-%"}, Unit: "%"})
		}
	}
	for _, kind := range []string{"constant", "noisy", "daily", "batch", "products", "recipes", "weekend"} {
		all = append(all, Figure{
			Group: group, What: kind + ", alarms on clean data per shift, worst rate", Of: Ref{in + "CleanStation/" + kind + "/*", "alarms/shift"}, Unit: "alarms", Plus: 1,
		})
	}
	return all
}
