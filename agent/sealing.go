package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

const (
	// maxList bounds the list of destroyed data keys that is taken (65 bytes each).
	maxList   = 300 << 20
	listLimit = 2 * time.Minute
)

// sealing is what the running agent has for sealed fields: the policy, the data
// keys in memory, and what it knows of destroyed ones.
type sealing struct {
	policy  *seal.Policy
	ring    *seal.Ring
	list    wire.Destroyed // newest list of destroyed keys; its ids are on disk alone
	lacking wire.Destroyed // newest list that was obeyed and not kept
	// destroy makes the journal drop the blobs of destroyed keys; nil before it is open.
	destroy func(ctx context.Context, ids []string) error
}

// newSealing takes what the configuration and the identity's folder say.
func newSealing(cfg config.Config, t *trust) (*sealing, error) {
	policy, err := seal.NewPolicy(cfg.SealRules())
	if err != nil {
		return nil, err
	}
	s := &sealing{policy: policy, ring: seal.NewRing()}
	text, err := t.id.Sealing()
	if err != nil {
		return nil, err
	}
	if err := s.setRecipient(text); err != nil {
		t.log.Error("key of the aggregator to seal for", "error", err)
	}
	held, err := t.heldList()
	if err != nil {
		t.log.Warn("list of destroyed data keys is not used, it is fetched again", "error", err)
	}
	s.list = wire.Destroyed{Number: held.Number, Hash: held.Hash()}
	return s, nil
}

// heldList reads the list that is on disk; the empty one without a file.
func (t *trust) heldList() (seal.Destroyed, error) {
	note, err := t.id.Destroyed()
	if err != nil || note == nil {
		return seal.Destroyed{}, err
	}
	return seal.OpenDestroyed(note, t.Cosigners())
}

func (s *sealing) setRecipient(text string) error {
	if text == "" {
		return nil
	}
	key, err := seal.ParsePublicKey(text)
	if err != nil {
		return err
	}
	s.ring.SetRecipient(key)
	return nil
}

// takeSealing follows what an answer says of sealing: another key to seal for, a
// newer list of destroyed keys.
func (t *trust) takeSealing(ctx context.Context, key string, d wire.Destroyed, send bool) error {
	s := t.sealing
	if s == nil {
		return nil
	}
	known, err := t.id.Sealing()
	if err != nil {
		return err
	}
	if key != "" && key != known {
		if err := s.setRecipient(key); err != nil {
			return err
		}
		if err := t.id.SaveSealing(key); err != nil {
			return err
		}
	}
	switch {
	case d.Number > s.list.Number && d != s.lacking:
		return t.takeDestroyed(ctx)
	case send && s.list.Number > 0:
		return t.sendDestroyed(ctx)
	}
	return nil
}

// takeDestroyed fetches the list, checks its signature, and drops what is on it.
// It counts as known only when the journal has dropped the blobs too. A list that
// lacks what the held one names is obeyed and not kept: the aggregator is told of the
// held one, and its next list has both.
func (t *trust) takeDestroyed(ctx context.Context) error {
	s := t.sealing
	note, err := t.fetchList(ctx)
	if err != nil {
		return fmt.Errorf("list of destroyed data keys: %w", err)
	}
	list, err := seal.OpenDestroyed(note, t.Cosigners())
	if err != nil {
		return err
	}
	if list.Number <= s.list.Number {
		return nil
	}
	held, err := t.heldList()
	if err != nil {
		held = seal.Destroyed{} // all of them once more does no harm
	}
	var news []string
	for _, id := range list.IDs {
		if !held.Has(id) {
			news = append(news, id)
		}
	}
	s.ring.Forget(news)
	if s.destroy != nil {
		if err := s.destroy(ctx, news); err != nil {
			return fmt.Errorf("drop destroyed data keys: %w", err)
		}
	}
	for _, id := range held.IDs {
		if !list.Has(id) { // a backup was put back there, and others were erased since
			s.lacking = wire.Destroyed{Number: list.Number, Hash: list.Hash()}
			return t.sendDestroyed(ctx)
		}
	}
	if err := t.id.SaveDestroyed(note); err != nil {
		return err
	}
	t.mu.Lock()
	s.list = wire.Destroyed{Number: list.Number, Hash: list.Hash()}
	t.mu.Unlock()
	t.log.Info("data keys destroyed by the aggregator are dropped", "list", list.Number, "keys", len(news))
	return nil
}

// destroyed names the list that is held.
func (t *trust) destroyed() wire.Destroyed {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sealing == nil {
		return wire.Destroyed{}
	}
	return t.sealing.list
}

// sendDestroyed hands the list to an aggregator that forgot it: a backup from
// before an erasure was put back there.
func (t *trust) sendDestroyed(ctx context.Context) error {
	note, err := t.id.Destroyed()
	if err != nil || note == nil {
		return err
	}
	t.mu.Lock()
	client, urls := t.client, t.urls
	t.mu.Unlock()
	if client == nil {
		return errors.New("list of destroyed data keys: not connected")
	}
	ctx, cancel := context.WithTimeout(ctx, listLimit)
	defer cancel()
	var errs []error
	for _, u := range urls {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(u, "/")+wire.PathDestroyed, bytes.NewReader(note))
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		res.Body.Close()
		if res.StatusCode == http.StatusNoContent {
			t.log.Warn("the aggregator had forgotten destroyed data keys and was told", "list", t.destroyed().Number)
			return nil
		}
		errs = append(errs, fmt.Errorf("%s answers %s", u, res.Status))
	}
	return errors.Join(errs...)
}

// fetchList asks the aggregators in turn.
func (t *trust) fetchList(ctx context.Context) ([]byte, error) {
	t.mu.Lock()
	client, urls := t.client, t.urls
	t.mu.Unlock()
	if client == nil {
		return nil, errors.New("not connected")
	}
	ctx, cancel := context.WithTimeout(ctx, listLimit)
	defer cancel()
	var errs []error
	for _, u := range urls {
		note, err := fetch(ctx, client, strings.TrimSuffix(u, "/")+wire.PathDestroyed)
		if err == nil {
			return note, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func fetch(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, res.Status)
	}
	note, err := io.ReadAll(io.LimitReader(res.Body, maxList+1))
	if err == nil && len(note) > maxList {
		err = fmt.Errorf("%s: list is too long", url)
	}
	return note, err
}
