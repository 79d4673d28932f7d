package journal

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
)

// removedReason is why a log begins whose predecessor went with the folder.
const removedReason = "the journal was removed"

// memory is what is kept outside of the folder: without it a folder that was
// removed as a whole could not be told from a first start.
type memory struct {
	Agent string            `json:"agent"`
	Since time.Time         `json:"since"` // when the newest of the logs began
	Logs  map[string]string `json:"logs"`  // origin of the active log, by class
	// Lost are those that went with the folder and have no successor yet.
	Lost map[string]string `json:"lost,omitempty"`
}

// recall reads what is remembered of this agent's logs.
func (j *Journal) recall() {
	if j.opts.Memory == "" {
		return
	}
	text, err := os.ReadFile(j.opts.Memory)
	var m memory
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		j.log.Warn("what is remembered of the journal can't be read", "file", j.opts.Memory, "error", err)
	case err == nil && m.Agent == j.opts.AgentID:
		j.remembered = m
	}
}

// orphaned notes that the logs which are remembered went with the folder.
func (j *Journal) orphaned() {
	lost := maps.Clone(j.remembered.Logs)
	for class, origin := range j.remembered.Lost {
		if lost[class] == "" {
			lost[class] = origin
		}
	}
	j.remembered.Logs, j.remembered.Lost = nil, lost
}

// remember writes it, whenever another log has become the active one of its class.
func (j *Journal) remember() {
	if j.opts.Memory == "" {
		return
	}
	m := memory{Agent: j.opts.AgentID, Since: j.opts.Now().UTC(), Logs: map[string]string{}, Lost: maps.Clone(j.remembered.Lost)}
	same := len(j.remembered.Logs) == len(j.active)
	for class, l := range j.active {
		m.Logs[string(class)] = l.rec.Origin
		same = same && j.remembered.Logs[string(class)] == l.rec.Origin
		delete(m.Lost, string(class))
	}
	if same {
		return
	}
	text, err := json.Marshal(m)
	if err == nil {
		err = durable.WriteFile(j.opts.Memory, text, 0o600)
	}
	if err != nil {
		j.log.Warn("the logs of the journal can't be remembered", "file", j.opts.Memory, "error", err)
		return
	}
	j.remembered = m
}

// reportRemoved declares a journal that is gone with all that was not forwarded.
func (j *Journal) reportRemoved() {
	if !j.removed {
		return
	}
	logs := []any{}
	for _, class := range event.Classes() {
		if origin := j.remembered.Lost[string(class)]; origin != "" {
			logs = append(logs, origin)
		}
	}
	j.log.Error("the journal was removed since the last start: what was not forwarded is lost", "folder", j.opts.Dir)
	j.raise(event.TypeAuditGap, map[string]any{
		"source": "journal", "cause": "journal_removed", "logs": logs,
		"from": j.remembered.Since.Format(time.RFC3339Nano), "to": j.opts.Now().UTC().Format(time.RFC3339Nano),
	})
}
