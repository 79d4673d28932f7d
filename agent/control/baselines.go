package control

import (
	"context"
	"net/http"
)

// Baselines are the baselines of control charts: shown, and changed by a person.
type Baselines struct {
	// Show lists the charts; name "" means all.
	Show func(ctx context.Context, name string) (any, error)
	// Change proposes, approves or freezes one.
	Change func(ctx context.Context, c BaselineChange) (any, error)
}

// BaselineChange is what a person asks for.
type BaselineChange struct {
	Action  string // propose, approve, freeze
	Station string // "" when only one has a chart of the name
	Name    string
	Recipe  string
	By      string // clear name; it becomes a pseudonym before the event is written
}

// serve adds the requests to the channel: GET /spc/baselines, POST /spc/baseline.
func (b Baselines) serve(mux *http.ServeMux) {
	mux.HandleFunc("GET /spc/baselines", func(w http.ResponseWriter, r *http.Request) {
		if b.Show == nil {
			http.Error(w, "this agent has no control charts", http.StatusNotFound)
			return
		}
		v, err := b.Show(r.Context(), r.FormValue("name"))
		answer(w, v, err)
	})
	mux.HandleFunc("POST /spc/baseline", func(w http.ResponseWriter, r *http.Request) {
		if b.Change == nil {
			http.Error(w, "this agent has no control charts", http.StatusNotFound)
			return
		}
		v, err := b.Change(r.Context(), BaselineChange{
			Action: r.FormValue("action"), Station: r.FormValue("station"), Name: r.FormValue("name"),
			Recipe: r.FormValue("recipe"), By: r.FormValue("by"),
		})
		answer(w, v, err)
	})
}
