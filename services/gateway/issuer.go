package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/go-redis/v9"

	"msctl.dev/msctl/services/kit"
)

// issuer signs tokens for local development. Its key is made when it is first asked for and kept in
// Redis, so that all replicas have the same one.
type issuer struct {
	redis    *redis.Client
	name     string
	audience string

	mu   sync.Mutex // guards last
	last signer
}

// signer is a key with its id. The zero value is none.
type signer struct {
	id  string
	key *rsa.PrivateKey
}

const issuerKey = "gateway:dev-issuer:key"

// current returns the key that is in Redis, and puts one there first where there is none.
func (i *issuer) current(ctx context.Context) (signer, error) {
	der, err := i.redis.Get(ctx, issuerKey).Bytes()
	if errors.Is(err, redis.Nil) {
		der, err = i.offer(ctx)
	}
	if err != nil {
		return signer{}, err
	}
	s, err := parseSigner(der)
	if err != nil {
		return signer{}, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = s
	return s, nil
}

// offer puts a new key into Redis unless another replica was quicker, and returns which is there.
func (i *issuer) offer(ctx context.Context) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der := x509.MarshalPKCS1PrivateKey(key)
	if err := i.redis.SetNX(ctx, issuerKey, der, 0).Err(); err != nil {
		return nil, err
	}
	return i.redis.Get(ctx, issuerKey).Bytes()
}

func parseSigner(der []byte) (signer, error) {
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return signer{}, fmt.Errorf("read key: %w", err)
	}
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	return signer{hex.EncodeToString(sum[:8]), key}, nil
}

// key returns the public key of that id.
func (i *issuer) key(ctx context.Context, id string) (*rsa.PublicKey, error) {
	i.mu.Lock()
	s := i.last
	i.mu.Unlock()
	if s.id != id || s.key == nil {
		var err error
		if s, err = i.current(ctx); err != nil {
			return nil, err
		}
	}
	if s.id != id {
		return nil, errNoKey
	}
	return &s.key.PublicKey, nil
}

func (i *issuer) set(ctx context.Context) (jose.JSONWebKeySet, error) {
	s, err := i.current(ctx)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: &s.key.PublicKey, KeyID: s.id, Algorithm: "RS256", Use: "sig"},
	}}, nil
}

// token answers POST /v1/token {"role": "admin", "subject": "ada"} with a token for one hour.
func (a *auth) token(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Role    string `json:"role"`
		Subject string `json:"subject"` // "" is the role's name
	}
	if err := kit.Read(r, &in); err != nil {
		return err
	}
	var bad kit.Invalid
	bad.Must(in.Role == admin || in.Role == user, "role", "is neither admin nor user")
	bad.Must(len(in.Subject) <= 100, "subject", "is over 100 bytes")
	if err := bad.Err(); err != nil {
		return err
	}
	if in.Subject == "" {
		in.Subject = in.Role
	}
	signed, err := a.dev.sign(r.Context(), in.Subject, in.Role, time.Now().Add(tokenLife))
	if err != nil {
		return fmt.Errorf("%w (sign token: %v)", kit.Unavailable("try again"), err)
	}
	w.Header().Set("Cache-Control", "no-store")
	kit.WriteJSON(w, http.StatusOK, map[string]any{
		"access_token": signed, "token_type": "Bearer", "expires_in": int(tokenLife.Seconds()),
	})
	return nil
}

func (i *issuer) sign(ctx context.Context, subject, role string, until time.Time) (string, error) {
	s, err := i.current(ctx)
	if err != nil {
		return "", err
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims{role, jwt.RegisteredClaims{
		Issuer: i.name, Audience: jwt.ClaimStrings{i.audience}, Subject: subject, ID: kit.NewID(),
		IssuedAt: jwt.NewNumericDate(time.Now()), ExpiresAt: jwt.NewNumericDate(until),
	}})
	t.Header["kid"] = s.id
	return t.SignedString(s.key)
}
