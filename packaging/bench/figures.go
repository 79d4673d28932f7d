package bench

import "strings"

// Folders of the benchmarks.
const (
	here       = "packaging/bench:"
	inJournal  = "agent/journal:"
	inMqtt     = "agent/source/mqtt:"
	inPipeline = "agent/pipeline:"
	inIngest   = "aggregator/ingest:"
	inPostgres = "aggregator/store/postgres:"
	inSqlite   = "aggregator/store/sqlite:"
	inEvents   = "shared/event:"
	inWires    = "shared/wire:"
	inProofs   = "shared/evidence:"
)

// Figures are the budgets of the product and what is stated beside them.
func Figures() []Figure {
	all := latencyFigures()
	all = append(all, pathFigures()...)
	all = append(all, agentFigures()...)
	all = append(all, journalFigures()...)
	all = append(all, detectionFigures()...)
	all = append(all, noveltyFigures()...)
	all = append(all, chartFigures()...)
	all = append(all, evidenceFigures()...)
	return append(all, aggregatorFigures()...)
}

// latencyFigures: half of all within 3 × fdatasync + 4 ms, 99 of 100 within 40 ms.
func latencyFigures() (all []Figure) {
	for _, way := range []struct{ benchmark, to, what string }{
		{"Latency/postgres", "commit", "MQTT → PostgreSQL commit"},
		{"Latency/postgres", "screen", "MQTT → WebSocket (PostgreSQL)"},
		{"Latency/sqlite", "screen", "MQTT → WebSocket (SQLite)"},
		{"HTTP", "commit", "HTTP → PostgreSQL commit, answered"},
		{"HTTP", "screen", "HTTP → WebSocket (PostgreSQL)"},
	} {
		for _, rate := range []string{"50", "1,000"} {
			name := here + way.benchmark + "/" + strings.ReplaceAll(rate, ",", "")
			what := way.what + ", " + rate + "/s"
			all = append(all, Figure{
				Group: "Time from source to commit and to the screen", What: what + ", p50", Of: Ref{name, way.to + "-p50-ms"}, Unit: "ms",
				Peer: Ref{name, "fdatasync-p50-ms"}, PeerName: "append + fdatasync", Factor: 3, Plus: 4,
			}, Figure{
				Group: "Time from source to commit and to the screen", What: what + ", p99", Of: Ref{name, way.to + "-p99-ms"}, Unit: "ms", Plus: 40,
			})
		}
	}
	return all
}

func pathFigures() []Figure {
	const group = "Whole path, a full queue of the broker drained"
	idle := Ref{here + "SubscriberThatDoesNothing", "cpu-s/million"}
	return []Figure{
		{Group: group, What: "MQTT → PostgreSQL", Of: Ref{here + "WholePath/postgres", "events/s"}, Unit: "/s", Plus: 14000, AtLeast: true},
		{Group: group, What: "agent + aggregator, per million", Of: Ref{here + "WholePath/postgres", "cpu-s/million"}, Unit: "CPU-s", Plus: 45},
		{Group: group, What: "the same beside a subscriber that does nothing", Of: Ref{here + "WholePath/postgres", "cpu-s/million"}, Unit: "CPU-s", Peer: idle, PeerName: "subscriber"},
		{Group: group, What: "of it the agent", Of: Ref{here + "WholePath/postgres", "agent-cpu-s/million"}, Unit: "CPU-s", Peer: idle, PeerName: "subscriber"},
		{Group: group, What: "of it the aggregator", Of: Ref{here + "WholePath/postgres", "aggregator-cpu-s/million"}, Unit: "CPU-s"},
		{Group: group, What: "agent's memory meanwhile", Of: Ref{here + "WholePath/postgres", "agent-MB"}, Unit: "MB"},
		{Group: group, What: "MQTT → SQLite", Of: Ref{here + "WholePath/sqlite", "events/s"}, Unit: "/s"},
		{Group: group, What: "agent + aggregator on SQLite, per million", Of: Ref{here + "WholePath/sqlite", "cpu-s/million"}, Unit: "CPU-s"},
		{Group: group, What: "catch-up after an outage, journal → PostgreSQL", Of: Ref{here + "CatchUp", "events/s"}, Unit: "/s"},
		{Group: group, What: "agent's memory at the end of that outage", Of: Ref{here + "CatchUp", "agent-own-MB"}, Unit: "MB"},
	}
}

func agentFigures() []Figure {
	const group = "Agent"
	line := Ref{here + "OPCUA", "server-values/s"}
	return []Figure{
		{Group: group, What: "size of the program", Of: Ref{here + "Binaries", "agent-MB"}, Unit: "MB", Plus: 15},
		{Group: group, What: "memory idle (VmRSS)", Of: Ref{here + "Idle", "agent-MB"}, Unit: "MB", Plus: 25},
		{Group: group, What: "memory at 1,000 events/s (VmRSS)", Of: Ref{here + "Latency/postgres/1000", "agent-MB"}, Unit: "MB", Plus: 60},
		{Group: group, What: "processor idle", Of: Ref{here + "Idle", "agent-cpu%"}, Unit: "% of a core", Plus: 0.5},
		{Group: group, What: "processor at 1,000 events/s", Of: Ref{here + "Latency/postgres/1000", "agent-cpu%"}, Unit: "% of a core"},
		{Group: group, What: "opening with 600,000 events buffered", Of: Ref{inJournal + "Backlog/open", "ms/open"}, Unit: "ms", Plus: 50},
		{
			Group: group, What: "journal, 100 events per commit", Of: Ref{inJournal + "Commit/journal/100", "events/s"}, Unit: "/s",
			Peer: Ref{inJournal + "Commit/append+fdatasync/100", "events/s"}, PeerName: "append + fdatasync", Factor: 0.45, AtLeast: true,
		},
		{
			Group: group, What: "durable write of 1 event, p99", Of: Ref{inJournal + "Commit/journal/1", "p99-ms"}, Unit: "ms",
			Peer: Ref{inJournal + "Commit/append+fdatasync/1", "p99-ms"}, PeerName: "append + fdatasync", Factor: 3,
		},
		{
			Group: group, What: "durable write of 100 events, p99", Of: Ref{inJournal + "Commit/journal/100", "p99-ms"}, Unit: "ms",
			Peer: Ref{inJournal + "Commit/append+fdatasync/100", "p99-ms"}, PeerName: "append + fdatasync", Factor: 3,
		},
		{Group: group, What: "written to the disk per day at 50 events/s, fast", Of: Ref{here + "Written/fast", "GB/day"}, Unit: "GB"},
		{Group: group, What: "written to the disk per day at 50 events/s, gentle", Of: Ref{here + "Written/gentle", "GB/day"}, Unit: "GB"},
		{Group: group, What: "MQTT drained to signed, durable, acknowledged", Of: Ref{inMqtt + "DrainToTheJournal", "msg/s"}, Unit: "/s", Plus: 20000, AtLeast: true},
		{
			Group: group, What: "the same beside a subscriber that does nothing", Of: Ref{inMqtt + "DrainToTheJournal", "msg/s"}, Unit: "/s",
			Peer: Ref{inMqtt + "DrainToNowhere", "msg/s"}, PeerName: "subscriber",
		},
		{
			Group: group, What: "its processor time per million", Of: Ref{inMqtt + "DrainToTheJournal", "cpu-s/million"}, Unit: "CPU-s",
			Peer: Ref{inMqtt + "DrainToNowhere", "cpu-s/million"}, PeerName: "subscriber",
		},
		{Group: group, What: "OPC UA, 1,000 variables at 10 Hz, values lost", Of: Ref{here + "OPCUA", "lost"}, Unit: "lost"},
		{Group: group, What: "OPC UA, per million values", Of: Ref{here + "OPCUA", "cpu-s/million"}, Unit: "CPU-s", Plus: 5},
		{Group: group, What: "OPC UA, values taken", Of: Ref{here + "OPCUA", "values/s"}, Unit: "/s", Peer: line, PeerName: "made by the server"},
		{Group: group, What: "OPC UA, memory", Of: Ref{here + "OPCUA", "agent-MB"}, Unit: "MB"},
		{Group: group, What: "a value with its summary", Of: Ref{inPipeline + "ValuesToSummaries", "ns/value"}, Unit: "ns"},
		{Group: group, What: "a message to an event", Of: Ref{inPipeline + "MessagesToEvents", "ns/value"}, Unit: "ns"},
		{
			Group: group, What: "one pass over a leaf", Of: Ref{inEvents + "Parse", "ns/op"}, Unit: "ns",
			Peer: Ref{inEvents + "StandardUnmarshal", "ns/op"}, PeerName: "encoding/json",
		},
		{Group: group, What: "a checkpoint signed", Of: Ref{inProofs + "SignCheckpoint", "ns/op"}, Unit: "µs", Scale: 1e-3},
		{Group: group, What: "a leaf packed, 100 at a time", Of: Ref{inWires + "Pack100", "ns/leaf"}, Unit: "ns"},
	}
}

func aggregatorFigures() []Figure {
	const group = "Aggregator"
	return []Figure{
		{Group: group, What: "size of the program", Of: Ref{here + "Binaries", "aggregator-MB"}, Unit: "MB"},
		{Group: group, What: "size of the verifier", Of: Ref{here + "Binaries", "verify-MB"}, Unit: "MB"},
		{Group: group, What: "memory idle (VmRSS)", Of: Ref{here + "Idle", "aggregator-MB"}, Unit: "MB"},
		{
			Group: group, What: "evidence and rows into PostgreSQL", Of: Ref{inPostgres + "Ingest/commit", "events/s"}, Unit: "/s",
			Peer: Ref{inPostgres + "Ingest/bare_COPY", "events/s"}, PeerName: "bare COPY", Factor: 0.7, AtLeast: true,
		},
		{Group: group, What: "evidence and rows into SQLite", Of: Ref{inSqlite + "Ingest", "events/s"}, Unit: "/s"},
		{Group: group, What: "ingest over TLS into SQLite, 100 events per commit", Of: Ref{inIngest + "Segments/100_leaves_per_commit", "leaves/s"}, Unit: "/s"},
		{Group: group, What: "slowest of the ten queries, 200,000 events, PostgreSQL", Of: Ref{inPostgres + "DocumentedQueries/*", "ns/op"}, Unit: "ms", Scale: 1e-6},
		{Group: group, What: "slowest of the ten queries, 200,000 events, SQLite", Of: Ref{inSqlite + "DocumentedQueries/*", "ns/op"}, Unit: "ms", Scale: 1e-6},
	}
}
