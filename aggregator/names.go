package aggregator

import (
	"crypto/ed25519"
	"net"
	"net/url"
	"os"
	"slices"
)

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// names are the host names and addresses that the servers' certificates carry:
// the machine's own, those configured, and the hosts of the agents' URLs.
func names(configured, urls []string) []string {
	list := append(ownNames(), configured...)
	for _, text := range urls {
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			list = append(list, u.Hostname())
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// defaultURLs guesses how agents reach the listener when nobody said it: by host
// name, and by the addresses of this machine.
func defaultURLs(listen string) []string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil
	}
	if host != "" && host != "0.0.0.0" && host != "::" {
		return []string{"https://" + net.JoinHostPort(host, port)}
	}
	var urls []string
	if h, err := os.Hostname(); err == nil {
		urls = append(urls, "https://"+net.JoinHostPort(h, port))
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return urls
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			urls = append(urls, "https://"+net.JoinHostPort(n.IP.String(), port))
		}
	}
	return urls
}
