package ingest

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/wire"
)

// HandIn takes segments of one agent that did not come over the network: body is
// that of a segments request, carried here some other way. They are verified,
// stored and receipted as if the agent had sent them; the caller has judged its
// admission. Run must be running. An error means that the body could not be read
// to its end.
func (s *Service) HandIn(ctx context.Context, agent store.Agent, body io.Reader) ([]wire.Result, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, wire.PathSegments, body)
	if err != nil {
		return nil, fmt.Errorf("hand in: %w", err)
	}
	return s.take(r, agent)
}
