package main

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/go-redis/v9"

	"msctl.dev/msctl/services/kit"
)

// Caller is who asks, as the token says.
type Caller struct {
	Subject string
	Role    string
}

type callerKey struct{}

func withCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

func callerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// claims is what the gateway reads of a token.
type claims struct {
	Role string `json:"role"`
	jwt.RegisteredClaims
}

const (
	devIssuer = "dev"
	audience  = "fleet"
	tokenLife = time.Hour
)

// auth checks bearer tokens: JWT, RS256 and nothing else.
type auth struct {
	keys interface {
		key(ctx context.Context, id string) (*rsa.PublicKey, error)
		set(ctx context.Context) (jose.JSONWebKeySet, error)
	}
	dev    *issuer // nil where tokens come from elsewhere
	parser *jwt.Parser
}

// newAuth takes the keys of AUTH_JWKS_URL (with AUTH_ISSUER, AUTH_AUDIENCE), or, where that is not
// set, of the issuer for local development.
func newAuth(app *kit.App, c *redis.Client) *auth {
	from, to := app.Env.Or("AUTH_ISSUER", devIssuer), app.Env.Or("AUTH_AUDIENCE", audience)
	a := &auth{parser: jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(from),
		jwt.WithAudience(to), jwt.WithExpirationRequired(), jwt.WithLeeway(5*time.Second))}
	if url := app.Env("AUTH_JWKS_URL"); url != "" {
		a.keys = &remote{url: url, http: &http.Client{Timeout: 3 * time.Second}}
		return a
	}
	a.dev = &issuer{redis: c, audience: to, name: from}
	a.keys = a.dev
	return a
}

// errNoKey says that a token was signed by a key that nobody here knows.
var errNoKey = errors.New("the key is not known")

// caller returns who sent r, or a 401 problem.
func (a *auth) caller(r *http.Request) (Caller, error) {
	scheme, raw, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return Caller{}, unauthorized("a bearer token is missing")
	}
	var c claims
	var broken error
	_, err := a.parser.ParseWithClaims(strings.TrimSpace(raw), &c, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		key, err := a.keys.key(r.Context(), id)
		if err != nil && !errors.Is(err, errNoKey) {
			broken = err
		}
		return key, err
	})
	if broken != nil {
		return Caller{}, fmt.Errorf("%w (find key: %v)", kit.Unavailable("tokens cannot be checked now"), broken)
	}
	if err != nil {
		return Caller{}, unauthorized(why(err))
	}
	if !sendable(c.Subject) || !sendable(c.Role) {
		return Caller{}, unauthorized("the token names no subject or role")
	}
	return Caller{Subject: c.Subject, Role: c.Role}, nil
}

func unauthorized(detail string) error {
	return kit.Errorf(http.StatusUnauthorized, "unauthorized", "%s", detail)
}

// why says in a few words what is wrong with a token, without its content.
func why(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "the token has expired"
	case errors.Is(err, jwt.ErrTokenMalformed):
		return "the token is not a JWT"
	case errors.Is(err, jwt.ErrTokenInvalidIssuer), errors.Is(err, jwt.ErrTokenInvalidAudience):
		return "the token is not for this fleet"
	}
	return "the token's signature is not valid"
}

// jwks serves the public keys.
func (a *auth) jwks(w http.ResponseWriter, r *http.Request) error {
	set, err := a.keys.set(r.Context())
	if err != nil {
		return fmt.Errorf("%w (read keys: %v)", kit.Unavailable("keys cannot be read now"), err)
	}
	w.Header().Set("Cache-Control", "max-age=60")
	kit.WriteJSON(w, http.StatusOK, set)
	return nil
}
