// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Credential is a key that may sign. An empty SessionToken means that none may be sent, a zero Expires that it stays.
type Credential struct {
	AccessKey    string    `json:"access_key"`
	SecretKey    string    `json:"secret_key"`
	SessionToken string    `json:"session_token"`
	Expires      time.Time `json:"expires,omitzero"`
}

func (c Credential) lives() bool {
	return c.Expires.IsZero() || time.Now().Before(c.Expires)
}

const (
	amzDate         = "20060102T150405Z"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	// clockSkew is how far AWS lets a signature's time be from its own.
	clockSkew = 15 * time.Minute
)

// refusedSignature is why a request does not pass, in S3's words.
type refusedSignature struct{ code, reason string }

func (e *refusedSignature) Error() string { return e.code + ": " + e.reason }

func refuseSignature(code, format string, values ...any) error {
	return &refusedSignature{code, fmt.Sprintf(format, values...)}
}

var authorizationForm = regexp.MustCompile(
	`^AWS4-HMAC-SHA256 Credential=([A-Za-z0-9]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$`)

// signed is what an Authorization value says.
type signed struct {
	accessKey, date, region, service string
	headers                          []string
	value                            string
}

func readAuthorization(r *http.Request) (*signed, error) {
	values := r.Header["Authorization"]
	switch {
	case len(values) == 0:
		return nil, refuseSignature("AccessDenied", "the request is not signed")
	case len(values) > 1:
		return nil, refuseSignature("InvalidArgument", "%d Authorization headers: only one is allowed", len(values))
	}
	match := authorizationForm.FindStringSubmatch(values[0])
	if match == nil {
		return nil, refuseSignature("AuthorizationHeaderMalformed", "Authorization is not of AWS4-HMAC-SHA256's form")
	}
	return &signed{match[1], match[2], match[3], match[4], strings.Split(match[5], ";"), match[6]}, nil
}

// mustBeSigned are the fields that AWS wants in every signature: Host, and each X-Amz- field that is sent.
func mustBeSigned(r *http.Request) []string {
	names := []string{"host"}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			names = append(names, lower)
		}
	}
	return names
}

// verifySignature checks a request's AWS Signature Version 4 by signing it again with AWS' own library. The path is taken as
// it came: S3 signs it so, other services sign it escaped once more.
func verifySignature(r *http.Request, body []byte, find func(accessKey string) (Credential, bool), now time.Time) (*signed, error) {
	said, err := readAuthorization(r)
	if err != nil {
		return nil, err
	}
	credential, known := find(said.accessKey)
	if !known {
		return said, refuseSignature("InvalidAccessKeyId", "the access key %s does not exist", said.accessKey)
	}
	if token := r.Header["X-Amz-Security-Token"]; credential.SessionToken == "" && len(token) > 0 ||
		credential.SessionToken != "" && (len(token) != 1 || token[0] != credential.SessionToken) {
		return said, refuseSignature("InvalidToken", "X-Amz-Security-Token is not that of the access key")
	}
	at, err := time.Parse(amzDate, r.Header.Get("X-Amz-Date"))
	if err != nil || len(r.Header["X-Amz-Date"]) != 1 {
		return said, refuseSignature("AccessDenied", "X-Amz-Date is missing or no time")
	}
	if !strings.HasPrefix(at.Format(amzDate), said.date) {
		return said, refuseSignature("AuthorizationHeaderMalformed", "the credential's date is not that of X-Amz-Date")
	}
	if skew := now.Sub(at); skew > clockSkew || skew < -clockSkew {
		return said, refuseSignature("RequestTimeTooSkewed", "X-Amz-Date is %s from now", skew.Round(time.Second))
	}
	for _, name := range mustBeSigned(r) {
		if !slices.Contains(said.headers, name) {
			return said, refuseSignature("AccessDenied", "the header %s is sent but not signed", name)
		}
	}
	payload, err := payloadHash(r, body)
	if err != nil {
		return said, err
	}
	again, err := sign(r, said, credential, payload, at)
	if err != nil {
		return said, err
	}
	if !hmac.Equal([]byte(again.value), []byte(said.value)) {
		return said, refuseSignature("SignatureDoesNotMatch", "signing %s %s with the headers %s gives another signature",
			r.Method, r.RequestURI, strings.Join(said.headers, ";"))
	}
	return said, nil
}

// payloadHash gives the last line of the canonical request: what the request says of its body, once that is found true.
func payloadHash(r *http.Request, body []byte) (string, error) {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	switch given := r.Header["X-Amz-Content-Sha256"]; {
	case len(given) == 0:
		return hash, nil
	case len(given) > 1:
		return "", refuseSignature("InvalidArgument", "%d X-Amz-Content-Sha256 headers", len(given))
	case given[0] == unsignedPayload:
		return unsignedPayload, nil
	case given[0] != hash:
		return "", refuseSignature("XAmzContentSHA256Mismatch", "X-Amz-Content-Sha256 is not the hash of the body")
	}
	return hash, nil
}

// sign makes the signature anew over the fields that the request says it has signed.
func sign(r *http.Request, said *signed, credential Credential, payload string, at time.Time) (*signed, error) {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	// Opaque keeps the path's own escapes; without a scheme the library leaves the port in Host alone.
	again := &http.Request{
		Method: r.Method, Host: r.Host, Header: http.Header{},
		URL: &url.URL{Opaque: "//" + r.Host + path, RawQuery: query},
	}
	for _, name := range said.headers {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			values := r.Header.Values(name)
			if len(values) == 0 {
				return nil, refuseSignature("AccessDenied", "the signed header %s is not sent", name)
			}
			again.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = said.service == "s3" })
	err := signer.SignHTTP(context.Background(), aws.Credentials{
		AccessKeyID: credential.AccessKey, SecretAccessKey: credential.SecretKey, SessionToken: credential.SessionToken,
	}, again, payload, said.service, said.region, at)
	if err != nil {
		return nil, err
	}
	made, err := readAuthorization(again)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(made.headers, said.headers) {
		return nil, refuseSignature("SignatureDoesNotMatch", "SignedHeaders is not sorted, or names what is never signed")
	}
	return made, nil
}

// reasonOf gives code and reason of a refusal.
func reasonOf(err error) (code, reason string) {
	var refused *refusedSignature
	if errors.As(err, &refused) {
		return refused.code, refused.reason
	}
	return "InternalError", err.Error()
}
