package api

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/time/rate"

	"github.com/linewatch/linewatch/aggregator/rights"
)

type metrics struct {
	registry       *prometheus.Registry
	requests       *prometheus.HistogramVec
	streams        prometheus.Gauge
	streamed       prometheus.Counter
	signInsRefused prometheus.Counter
}

func newMetrics(o Options) (*metrics, error) {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "linewatch_http_request_seconds", Help: "Time of the people's listener to answer, by method and status.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "status"}),
		streams:        prometheus.NewGauge(prometheus.GaugeOpts{Name: "linewatch_streams", Help: "Open live streams."}),
		streamed:       prometheus.NewCounter(prometheus.CounterOpts{Name: "linewatch_streamed_events_total", Help: "Events sent to live streams."}),
		signInsRefused: prometheus.NewCounter(prometheus.CounterOpts{Name: "linewatch_sign_ins_refused_total", Help: "Sign-ins refused."}),
	}
	for _, c := range []prometheus.Collector{
		m.requests, m.streams, m.streamed, m.signInsRefused,
		counters{o.Ingest},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// counters exports counters whose names are not known ahead.
type counters struct {
	each func(func(name string, value float64))
}

// Describe sends nothing: an unchecked collector.
func (counters) Describe(chan<- *prometheus.Desc) {}

// Collect sends one value per counter.
func (c counters) Collect(out chan<- prometheus.Metric) {
	c.each(func(name string, value float64) {
		d := prometheus.NewDesc("linewatch_ingest_"+name, "Agents' listener: "+name+" since the start.", nil, nil)
		out <- prometheus.MustNewConstMetric(d, prometheus.UntypedValue, value)
	})
}

func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if _, err := caller(r.Context(), rights.MetricsRead); err != nil {
		writeProblem(w, toProblem(err))
		return
	}
	promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

// healthz: the process answers.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// readyz: the store answers and takes writes.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	if err := s.Store.Ping(ctx); err != nil {
		writeProblem(w, &problem{Status: http.StatusServiceUnavailable, Title: "Not ready", Detail: "the database does not answer"})
		return
	}
	s.healthz(w, r)
}

// observe measures every request; paths stay out of the labels (they hold ids).
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/stream" {
			next.ServeHTTP(w, r)
			return
		}
		start := time.Now()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(rec, r)
		s.metrics.requests.WithLabelValues(method(r.Method), strconv.Itoa(rec.status)).Observe(time.Since(start).Seconds())
	})
}

// method keeps made-up methods out of the labels.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodPatch, http.MethodOptions:
		return m
	}
	return "other"
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// limiter bounds requests by key.
type limiter struct {
	mu      sync.Mutex
	callers map[string]*rate.Limiter
}

// busy counts the requests of each caller that are being answered: searches cost
// the database time that others want too.
type busy struct {
	mu    sync.Mutex
	count map[string]int
}

// maxBusy bounds the requests of one caller at the same time; a page asks for
// some at once.
const maxBusy = 16

func newBusy() *busy { return &busy{count: map[string]int{}} }

// begin takes a place, false when all are taken; the caller gives it back with end.
func (b *busy) begin(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count[key] >= maxBusy {
		return false
	}
	b.count[key]++
	return true
}

func (b *busy) end(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count[key]--; b.count[key] == 0 {
		delete(b.count, key)
	}
}

// maxCallers bounds the memory that many addresses can take.
const maxCallers = 10_000

func newLimiter() *limiter { return &limiter{callers: map[string]*rate.Limiter{}} }

func (l *limiter) allow(key string, perSecond rate.Limit, burst int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.callers[key]
	if !ok {
		if len(l.callers) >= maxCallers {
			clear(l.callers)
		}
		one = rate.NewLimiter(perSecond, burst)
		l.callers[key] = one
	}
	return one.Allow()
}
