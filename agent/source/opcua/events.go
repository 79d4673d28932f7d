package opcua

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/opcua/pki"
	"github.com/linewatch/linewatch/agent/source/opcua/secure"
	"github.com/linewatch/linewatch/shared/event"
)

// certificateEvent tells a refused certificate, or a peer that answers with
// another one, once until something changes.
func (e *engine) certificateEvent(ctx context.Context, err error) {
	var data map[string]any
	switch refused, ok := errors.AsType[*pki.Refusal](err); {
	case ok:
		data = map[string]any{"reason": string(refused.Reason), "detail": refused.Detail}
		if refused.Certificate != nil {
			print := pki.Fingerprint(refused.Certificate.Raw)
			data["subject"], data["thumbprint"] = refused.Certificate.Subject.String(), print
			if e.lastServer != "" && e.lastServer != print {
				data["changed"], data["previousThumbprint"] = true, e.lastServer
			}
		}
	case errors.Is(err, secure.ErrDowngrade):
		data = map[string]any{"reason": "answer under another policy or certificate", "subject": "", "thumbprint": ""}
	case errors.Is(err, errSignature):
		data = map[string]any{"reason": "ownership not proved", "subject": "", "thumbprint": ""}
	default:
		return
	}
	data["peer"] = e.plan.cfg.Endpoint
	key := fmt.Sprint(data["reason"], data["thumbprint"])
	if e.told == key {
		return
	}
	e.told = key
	e.log.Error("server certificate refused", "error", err)
	e.occur(ctx, "certificate.invalid", data)
}

// rememberServer stores whose certificate is used. Another trusted one than last
// time is right after a planned exchange and wrong otherwise: an event says so.
func (e *engine) rememberServer(ctx context.Context) {
	if !e.plan.sec.secure() {
		return
	}
	print := pki.Fingerprint(e.pinned)
	if print == e.lastServer {
		return
	}
	old := e.lastServer
	e.lastServer = print
	d := delivery{set: map[string][]byte{serverKey: mustJSON(storedServer{Thumbprint: print})}, commit: true}
	if old != "" {
		d.readings = []source.Reading{e.occurrence("config.change", map[string]any{
			"target": e.plan.cfg.Endpoint, "key": "server certificate (SHA-256)", "old": old, "new": print,
			"reason": "the server shows another trusted certificate than before",
		})}
		e.log.Warn("server certificate changed", "old", old, "new", print)
	}
	e.send(ctx, d)
}

// showCertificate puts the days left into the health.
func (e *engine) showCertificate(until time.Time) {
	days := int(until.Sub(e.now()).Hours() / 24)
	own := int(e.own.NotAfter.Sub(e.now()).Hours() / 24)
	e.src.update(func(h *source.Health) {
		h.Detail["server_certificate_days"] = strconv.Itoa(days)
		h.Detail["own_certificate_days"] = strconv.Itoa(own)
	})
	if days <= 30 {
		e.log.Warn("server certificate expires soon", "days", days)
	}
	if own <= 30 {
		e.log.Warn("the agent's own OPC UA certificate expires soon", "days", own)
	}
}

// expiring tells certificates that run out, at 30, 7 and 1 days, once each.
func (e *engine) expiring(ctx context.Context) {
	if !e.plan.sec.secure() {
		return
	}
	for owner, der := range map[string][]byte{"server": e.pinned, "agent": e.own.Certificate} {
		leaf, err := pki.Leaf(der)
		if err != nil {
			continue // told where it is checked
		}
		days := int(leaf.NotAfter.Sub(e.now()).Hours() / 24)
		step := 0
		for _, limit := range []int{30, 7, 1} {
			if days <= limit {
				step = limit
			}
		}
		if step == 0 || e.expiry[owner+pki.Thumbprint(der)] == step {
			continue
		}
		e.expiry[owner+pki.Thumbprint(der)] = step
		e.occur(ctx, "certificate.expiring", map[string]any{
			"subject": leaf.Subject.String(), "notAfter": leaf.NotAfter, "owner": owner, "peer": e.plan.cfg.Endpoint, "days": int64(days),
		})
	}
}

// gap is a stretch that the source has proof of losing.
type gap struct {
	cause       string
	from, to    time.Time
	first, last uint32 // sequence numbers, 0 for unknown
	sub         uint32 // id of the subscription, 0 = the present one
}

// gapReading declares a gap; see PROTOCOLS section 8: source, from, to, numbers.
func (e *engine) gapReading(sub *subscription, g gap, more map[string]any) source.Reading {
	data := map[string]any{
		"source": e.plan.cfg.Name, "cause": g.cause, "from": g.from, "to": g.to,
		"group": sub.group.name, "endpoint": e.plan.cfg.Endpoint,
	}
	if g.first != 0 {
		data["firstSequence"], data["subscription"] = int64(g.first), int64(g.sub)
		if g.sub == 0 {
			data["subscription"] = int64(sub.id)
		}
	}
	if g.last != 0 {
		data["lastSequence"] = int64(g.last)
	}
	for k, v := range more {
		data[k] = v
	}
	e.src.update(func(h *source.Health) { h.Gaps++ })
	e.log.Warn("values lost", "cause", g.cause, "group", sub.group.name, "from", g.from, "to", g.to)
	r := e.occurrence("audit.gap", data)
	r.SourceTime = g.to
	return r
}

// itemFailed makes source.item_failed of a configured line that cannot be read,
// once per reason; the others go on, and it is tried again. step says where it
// failed: a line that is found may still be refused.
func (e *engine) itemFailed(step, item, group, reason string) []source.Reading {
	key := step + "|" + item
	if e.items[key] == reason {
		return nil
	}
	e.items[key] = reason
	return []source.Reading{e.occurrence(event.TypeSourceItemFailed, map[string]any{
		"source": e.plan.cfg.Name, "item": item, "reason": reason, "group": group, "endpoint": e.plan.cfg.Endpoint,
	})}
}

// itemWorks forgets what was told, so that the next failure is told again.
func (e *engine) itemWorks(step, item string) { delete(e.items, step+"|"+item) }

// tellItems hands over what itemFailed made, all in one.
func (e *engine) tellItems(ctx context.Context, told []source.Reading) {
	if len(told) > 0 {
		e.send(ctx, delivery{readings: told, commit: true})
	}
}
