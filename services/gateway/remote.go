package main

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	keysKept  = 5 * time.Minute  // how long a set of keys is used without asking again
	keysApart = 10 * time.Second // how soon an unknown key makes it ask again
)

// remote reads the keys of an issuer elsewhere (JWKS) and keeps them for a while.
type remote struct {
	url  string
	http *http.Client

	mu   sync.Mutex // guards what follows
	keys jose.JSONWebKeySet
	at   time.Time
}

func (r *remote) key(ctx context.Context, id string) (*rsa.PublicKey, error) {
	keys, age := r.cached()
	if k := find(keys, id); k != nil && age < keysKept {
		return k, nil
	}
	if age > keysApart {
		fresh, err := r.set(ctx)
		if err != nil {
			return nil, err
		}
		keys = fresh
	}
	if k := find(keys, id); k != nil {
		return k, nil
	}
	return nil, errNoKey
}

func (r *remote) cached() (jose.JSONWebKeySet, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys, time.Since(r.at)
}

func find(keys jose.JSONWebKeySet, id string) *rsa.PublicKey {
	for _, k := range keys.Key(id) {
		if public, ok := k.Key.(*rsa.PublicKey); ok {
			return public
		}
	}
	return nil
}

// set asks the issuer.
func (r *remote) set(ctx context.Context) (jose.JSONWebKeySet, error) {
	var keys jose.JSONWebKeySet
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return keys, err
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return keys, fmt.Errorf("read keys: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return keys, fmt.Errorf("read keys: %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&keys); err != nil {
		return keys, fmt.Errorf("read keys: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys, r.at = keys, time.Now()
	return keys, nil
}
