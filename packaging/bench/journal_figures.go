package bench

import "strconv"

// journalFigures are the durable write at a rate, commits of several sizes beside
// append + fdatasync, bare and with a signature for each event, and what a large
// backlog costs.
func journalFigures() (all []Figure) {
	const group = "Journal on the station"
	for _, rate := range []string{"1", "100", "1000"} {
		for _, p := range []string{"p50", "p99"} {
			factor := 0.0 // stated
			if p == "p99" {
				factor = 3
			}
			all = append(all, Figure{
				Group: group, What: "durable write at " + rate + "/s, " + p, Of: Ref{inJournal + "DurableWrite/journal/" + rate + "-per-s", p + "-ms"}, Unit: "ms",
				Peer: Ref{inJournal + "DurableWrite/append+fdatasync/" + rate + "-per-s", p + "-ms"}, PeerName: "append + fdatasync", Factor: factor,
			})
		}
		all = append(all, Figure{
			Group: group, What: "written to the disk per event at " + rate + "/s", Of: Ref{inJournal + "DurableWrite/journal/" + rate + "-per-s", "bytes-written/event"}, Unit: "bytes",
			Peer: Ref{inJournal + "DurableWrite/append+fdatasync/" + rate + "-per-s", "bytes-written/event"}, PeerName: "append + fdatasync",
		})
	}
	for _, n := range []int{1, 10, 100, 1000} {
		size := strconv.Itoa(n)
		of := Ref{inJournal + "Commit/journal/" + size, "events/s"}
		all = append(all, Figure{
			Group: group, What: size + " per commit", Of: of, Unit: "/s",
			Peer: Ref{inJournal + "Commit/append+fdatasync/" + size, "events/s"}, PeerName: "append + fdatasync",
		}, Figure{
			Group: group, What: size + " per commit, beside one signature per event", Of: of, Unit: "/s",
			Peer: Ref{inJournal + "Commit/signed-each+append+fdatasync/" + size, "events/s"}, PeerName: "signed each",
		}, Figure{
			Group: group, What: "written to the disk per event, " + size + " per commit", Of: Ref{inJournal + "Commit/journal/" + size, "bytes-written/event"}, Unit: "bytes",
			Peer: Ref{inJournal + "Commit/append+fdatasync/" + size, "bytes-written/event"}, PeerName: "append + fdatasync",
		})
	}
	return append(all,
		Figure{Group: group, What: "a backlog read, verified and packed for the wire", Of: Ref{inJournal + "Backlog/drain", "events/s"}, Unit: "/s"},
		Figure{Group: group, What: "journal verify", Of: Ref{inJournal + "Backlog/verify", "events/s"}, Unit: "/s"},
	)
}
