// SPDX-License-Identifier: Apache-2.0

// Package objects is as much of AWS as shows whether requests are signed right: S3's small objects by PUT, GET, HEAD and DELETE,
// and STS' session credentials.
package objects

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"pulumi-riptides/lab/simulator"
)

// objectMax is the size of the largest object, in bytes.
const objectMax = 4 << 20

// objectHost is S3's own name in a region; the bucket is the first segment of the path.
var objectHost = regexp.MustCompile(`^s3\.([a-z0-9-]+)\.amazonaws\.com$`)

// Store holds objects and the credentials that may sign for them. Its methods are safe for concurrent use.
type Store struct {
	mu          sync.Mutex
	credentials map[string]Credential
	objects     map[string][]byte
}

// New gives an empty store that trusts nobody.
func New() *Store {
	return &Store{credentials: map[string]Credential{}, objects: map[string][]byte{}}
}

// Put adds or replaces a credential. The secret is kept: a signature cannot be checked with less.
func (s *Store) Put(c Credential) error {
	if c.AccessKey == "" || c.SecretKey == "" {
		return errors.New("access_key and secret_key are required")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.credentials[c.AccessKey] = c
	return nil
}

// Drop ends a credential.
func (s *Store) Drop(accessKey string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.credentials, accessKey)
}

// Control is the tests' side; serve it on a loopback port.
//
//	GET    /control/aws-credentials        -> [Credential, ...] that may sign
//	POST   /control/aws-credentials        Credential {access_key, secret_key, session_token?}
//	DELETE /control/aws-credentials/{key}  ends the access key
func (s *Store) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control/aws-credentials", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.all())
	})
	mux.HandleFunc("POST /control/aws-credentials", func(w http.ResponseWriter, r *http.Request) {
		var c Credential
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&c)
		if err == nil {
			err = s.Put(c)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /control/aws-credentials/{key}", func(w http.ResponseWriter, r *http.Request) {
		s.Drop(r.PathValue("key"))
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (s *Store) find(accessKey string) (Credential, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.credentials[accessKey]
	return c, known && c.lives()
}

func (s *Store) all() []Credential {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Credential{}
	for _, c := range s.credentials {
		if c.lives() {
			list = append(list, c)
		}
	}
	return list
}

// regionOf tells whether a Host header is S3's, and of which region.
func regionOf(host string) (region string, ok bool) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	match := objectHost.FindStringSubmatch(strings.ToLower(host))
	if match == nil {
		return "", false
	}
	return match[1], true
}

// Serves tells whether a Host header is this store's.
func Serves(host string) bool {
	_, ok := regionOf(host)
	return ok
}

// Serve answers a request and tells how it was signed.
func (s *Store) Serve(w http.ResponseWriter, r *http.Request, arrival *simulator.Arrival) {
	arrival.KeyID, arrival.Signature, arrival.Payload = s.answer(w, r, arrival.Path)
}

func (s *Store) answer(w http.ResponseWriter, r *http.Request, path string) (accessKey, signature, payload string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, objectMax))
	if err != nil {
		writeObjectError(w, http.StatusBadRequest, "EntityTooLarge", "the body ends early or has more than 4 MiB")
		return "", "the body could not be read", ""
	}
	region, _ := regionOf(r.Host)
	said, err := verifySignature(r, body, s.find, time.Now())
	if err == nil && (said.region != region || said.service != "s3") {
		err = refuseSignature("AuthorizationHeaderMalformed", "the scope is %s/%s, expecting %s/s3", said.region, said.service, region)
	}
	if err == nil && len(r.Header["X-Amz-Content-Sha256"]) == 0 {
		err = refuseSignature("InvalidRequest", "X-Amz-Content-Sha256 is missing")
	}
	if err != nil {
		code, reason := reasonOf(err)
		writeObjectError(w, http.StatusForbidden, code, reason)
		return "", code + ": " + reason, ""
	}
	payload = "hashed"
	if r.Header.Get("X-Amz-Content-Sha256") == unsignedPayload {
		payload = "unsigned"
	}
	s.store(w, r.Method, path, body)
	return said.accessKey, "verified", payload
}

func (s *Store) store(w http.ResponseWriter, method, path string, body []byte) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if bucket == "" || key == "" {
		writeObjectError(w, http.StatusNotImplemented, "NotImplemented", "only objects are served: /bucket/key")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	content, found := s.objects[path]
	switch method {
	case http.MethodPut:
		s.objects[path] = body
		w.Header().Set("ETag", etag(body))
		w.WriteHeader(http.StatusOK)
	case http.MethodGet, http.MethodHead:
		if !found {
			writeObjectError(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
			return
		}
		w.Header().Set("ETag", etag(content))
		w.Header().Set("Content-Type", "binary/octet-stream")
		w.WriteHeader(http.StatusOK)
		w.Write(content)
	case http.MethodDelete:
		delete(s.objects, path)
		w.WriteHeader(http.StatusNoContent)
	default:
		writeObjectError(w, http.StatusMethodNotAllowed, "MethodNotAllowed", method+" is not allowed against this resource.")
	}
}

// etag is what S3 gives for an object put in one piece.
func etag(content []byte) string {
	sum := md5.Sum(content)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func writeObjectError(w http.ResponseWriter, status int, code, message string) {
	writeXML(w, status, struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: message})
}

func writeXML(w http.ResponseWriter, status int, content any) {
	text, err := xml.Marshal(content)
	if err != nil {
		panic(err) // structs of strings
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	w.Write(append([]byte(xml.Header), text...))
}
