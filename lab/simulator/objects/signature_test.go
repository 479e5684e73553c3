// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"bufio"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	// The keys of AWS' Signature Version 4 test suite and of the S3 reference's examples.
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	s3Secret    = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	suiteToken  = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
	emptyHash   = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// vector is a request with the signature that AWS has published for it.
type vector struct {
	name, target, fields, body, date  string
	credential                        Credential
	region, service, headers, publish string
}

func suiteVector(name, target, token, headers, signature string) vector {
	fields := "Host: example.amazonaws.com\r\nX-Amz-Date: 20150830T123600Z\r\n"
	if token != "" {
		fields += "X-Amz-Security-Token: " + token + "\r\n"
	}
	return vector{name, target, fields, "", "20150830T123600Z",
		Credential{AccessKey: "AKIDEXAMPLE", SecretKey: suiteSecret, SessionToken: token}, "us-east-1", "service", headers, signature}
}

func s3Vector(name, target, fields, body, hash, headers, signature string) vector {
	fields = "Host: examplebucket.s3.amazonaws.com\r\nX-Amz-Date: 20130524T000000Z\r\nX-Amz-Content-Sha256: " + hash + "\r\n" + fields
	return vector{name, target, fields, body, "20130524T000000Z",
		Credential{AccessKey: "AKIAIOSFODNN7EXAMPLE", SecretKey: s3Secret, SessionToken: ""}, "us-east-1", "s3", headers, signature}
}

var vectors = []vector{
	suiteVector("get-vanilla", "GET /", "", "host;x-amz-date",
		"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
	suiteVector("get-vanilla-query-order-key-case", "GET /?Param2=value2&Param1=value1", "", "host;x-amz-date",
		"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
	suiteVector("post-vanilla", "POST /", "", "host;x-amz-date",
		"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
	suiteVector("post-sts-header-before", "POST /", suiteToken, "host;x-amz-date;x-amz-security-token",
		"85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
	s3Vector("S3 GET object", "GET /test.txt", "Range: bytes=0-9\r\n", "", emptyHash,
		"host;range;x-amz-content-sha256;x-amz-date",
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
	s3Vector("S3 PUT object", "PUT /test%24file.text",
		"Date: Fri, 24 May 2013 00:00:00 GMT\r\nX-Amz-Storage-Class: REDUCED_REDUNDANCY\r\n", "Welcome to Amazon S3.",
		"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
		"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
		"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
	s3Vector("S3 GET bucket lifecycle", "GET /?lifecycle", "", "", emptyHash, "host;x-amz-content-sha256;x-amz-date",
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
	s3Vector("S3 list objects", "GET /?max-keys=2&prefix=J", "", "", emptyHash, "host;x-amz-content-sha256;x-amz-date",
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
}

// request reads a vector as a server would.
func (v vector) request(t *testing.T, change func(head string) string) *http.Request {
	t.Helper()
	authorization := "Authorization: AWS4-HMAC-SHA256 Credential=" + v.credential.AccessKey + "/" + v.date[:8] + "/" + v.region + "/" +
		v.service + "/aws4_request, SignedHeaders=" + v.headers + ", Signature=" + v.publish + "\r\n"
	head := v.target + " HTTP/1.1\r\n" + v.fields + authorization + "\r\n"
	if change != nil {
		changed := change(head)
		if changed == head {
			t.Fatal("the change changes nothing")
		}
		head = changed
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (v vector) verify(t *testing.T, change func(string) string, body string, find Credential, after time.Duration) error {
	t.Helper()
	at, err := time.Parse(amzDate, v.date)
	if err != nil {
		t.Fatal(err)
	}
	_, err = verifySignature(v.request(t, change), []byte(body), func(key string) (Credential, bool) {
		return find, key == find.AccessKey
	}, at.Add(after))
	return err
}

func TestVerifierTakesTheSignaturesThatAWSHasPublished(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			if err := v.verify(t, nil, v.body, v.credential, time.Minute); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVerifierRefusesWithItsReason(t *testing.T) {
	put, token := vectors[5], vectors[3]
	replace := func(old, new string) func(string) string {
		return func(head string) string { return strings.Replace(head, old, new, 1) }
	}
	for _, c := range []struct {
		name   string
		vector vector
		change func(string) string
		body   string
		find   Credential
		after  time.Duration
		code   string
	}{
		{"another path", put, replace("test%24file", "other"), put.body, put.credential, 0, "SignatureDoesNotMatch"},
		{"the path's other spelling", put, replace("%24", "$"), put.body, put.credential, 0, "SignatureDoesNotMatch"},
		{"another method", put, replace("PUT", "DELETE"), put.body, put.credential, 0, "SignatureDoesNotMatch"},
		{"a signed header changed", put, replace("REDUCED_REDUNDANCY", "STANDARD"), put.body, put.credential, 0, "SignatureDoesNotMatch"},
		{"another secret", put, nil, put.body, Credential{AccessKey: put.credential.AccessKey, SecretKey: "x", SessionToken: ""}, 0, "SignatureDoesNotMatch"},
		{"another body", put, nil, "other", put.credential, 0, "XAmzContentSHA256Mismatch"},
		{"UNSIGNED-PAYLOAD in place of the hash", put, replace("44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072", unsignedPayload),
			put.body, put.credential, 0, "SignatureDoesNotMatch"},
		{"an unknown key", put, nil, put.body, Credential{AccessKey: "AKIAOTHER", SecretKey: s3Secret, SessionToken: ""}, 0, "InvalidAccessKeyId"},
		{"an hour late", put, nil, put.body, put.credential, time.Hour, "RequestTimeTooSkewed"},
		{"an hour early", put, nil, put.body, put.credential, -time.Hour, "RequestTimeTooSkewed"},
		{"an X-Amz- header that is not signed", put, replace("\r\nDate:", "\r\nX-Amz-Acl: public-read\r\nDate:"), put.body, put.credential, 0, "AccessDenied"},
		{"a signed header that is not sent", put, replace("Date: Fri, 24 May 2013 00:00:00 GMT\r\n", ""), put.body, put.credential, 0, "AccessDenied"},
		{"two signatures", put, replace("Authorization:", "Authorization: Bearer riptides\r\nAuthorization:"), put.body, put.credential, 0, "InvalidArgument"},
		{"a bearer token", put, replace("AWS4-HMAC-SHA256 Credential=", "Bearer "), put.body, put.credential, 0, "AuthorizationHeaderMalformed"},
		{"no signature", put, replace("Authorization:", "X-Other:"), put.body, put.credential, 0, "AccessDenied"},
		{"another session token", token, replace("AQoDY", "BQoDY"), "", token.credential, 0, "InvalidToken"},
		{"no session token", token, replace("X-Amz-Security-Token: "+suiteToken+"\r\n", ""), "", token.credential, 0, "InvalidToken"},
		{"a session token of a key without one", token, nil, "", Credential{AccessKey: "AKIDEXAMPLE", SecretKey: suiteSecret, SessionToken: ""}, 0, "InvalidToken"},
		{"a date that is not that of the credential", put, replace("/20130524/", "/20130523/"), put.body, put.credential, 0, "AuthorizationHeaderMalformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.vector.verify(t, c.change, c.body, c.find, c.after)
			var refused *refusedSignature
			if !errors.As(err, &refused) || refused.code != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
			if err != nil && (strings.Contains(err.Error(), s3Secret) || strings.Contains(err.Error(), suiteToken)) {
				t.Error("the reason tells a secret")
			}
		})
	}
}
