/*
 * test_keys - private keys that guard nothing, for tests of signatures
 */
#ifndef RELAIS_TEST_KEYS_H
#define RELAIS_TEST_KEYS_H

static const char test_key_p256[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgg9F5kQq8+scgKxcX\n"
    "NiPJtlIJ5CRoReXM66rUmlvf1jOhRANCAAQZFUv9OMOOZeUlSoQJZdpgk/2xCXp8\n"
    "3jYgn3ChfIV/uvlZSf1Iy3rw3lQQt8WuGYmvl69e6Lu735GpBUD0D/Ce\n"
    "-----END PRIVATE KEY-----\n";

static const char test_key_rsa[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQCy3XCiBzio/VAH\n"
    "ku4oXeOs43S5P2CbdGz8HNGGnzfIY7SvvG+QROBPXfaagoFLCRgTBMzC3HIYASs9\n"
    "BQKz0SIC4ghqMOEclHmEdAsONat/hH2wmmkPoY20luiA0czf1p9a1FkTpGwbYvfr\n"
    "xrRJWz/eyKX1zHeXbvN6GG8PXlNdEG9I0sKGm8h8kLOc4cZIdhOnLuw+gjmoFOkH\n"
    "ZrLguAf3Vr6w08MlPzar2OMk93lsl10Bl/knKbKTq4e02PbIStI0FPcu7zndKoAT\n"
    "dsSXveWRXzjYzie08T/I9ITzjCX62wA0xuWns62+BK347AIIEiIb/o7M0ZmfiaYa\n"
    "uNJZRwC1AgMBAAECggEAA3G8L4KQFsD5/4tWxrQ4JCYlI0QTKistxhUP+9WpD1TM\n"
    "L+4i/9Yzs5ONoiANOVKtggA/qSjxkYDEQmKMUMYgL4oGu3TBgPli9af+ZoGmEciN\n"
    "Ww8+Iqzru6SESabAmTbazrb0GCq8YjKfr4yeACOfsTyP5ZHQY7whOCKsUNFyLYKR\n"
    "Q68ELbfJakEl2UIuIqFw2a4Od4FpVyYJ0FcVjHW54YlHevoynhcD1NgZKtD3/udi\n"
    "VEj1M7sGCbNSXZuD98MBnuCu+oJKgAIABTeNxq1jcAIEN79CD5ZrzFlG5t6a0Dag\n"
    "a/nd0sKFWouhyu4CzwUkXCZApi474MeJ+3SjRJQRqQKBgQDbHJtuVBrNcN91h/gQ\n"
    "MBcM01We7eRGjcfVPGqgybQIMm/o6WPNVLRt0N2FlOEk2ycjmKtPOEv0QqVz8uBw\n"
    "Kji++2HvZtR9XfJruHB5JVv8+ARQOKTPuU1IDA5w3w7Yt4doLZle7tlxshTYYnus\n"
    "S756s0sBX4rpiqYnDZ6bTXJowwKBgQDQ+kHnuZxWuggK4WHsS5N3yr1HUXP9iZcg\n"
    "SwFeDJ1JWfdDRHW45oZWeaB8Nf46oPshilZAT2DVS3lIt3JS1XRhi86lw8oztrMA\n"
    "ooPcpHQkXDRSKC3Ya4Rygqovo2XV0de5lE4F/IkSCuztAS3aMS4MksU90h4a+3KO\n"
    "RCcNAwoZJwKBgQCd1qu4/GkaWRb/6WSu9JWGLa7d/+yTTosHdrAxB1vjE8I9+/Ji\n"
    "9YPMH8uT8L2G+T/mipHNTXaZjHD3Z5x58FBUc24HMQIdFVIOexy6iEkNn/QrfcJr\n"
    "yMZ9AgJdGLHvN7YZO8/h7RlCp9AQWFFSunWKmiGL6bF9rt0mAM+ifFXQVQKBgQDK\n"
    "XT0KzyOEnDsDhkNUFc9k1k+6SzceEmnlHJzjXSXGjTcyzY2OErWN8dOl1IcucQse\n"
    "7J4fQn7LrX1yHCq56ff8Ke1fehxJPadTewxj0mChgSQtVrkmdN9aIAv7e6g2iTD0\n"
    "hZeUlnqJnUjXLSggvTUReeNEvT7n9Ax3lamXIRVbSwKBgQDFdulAeZtidhoDisBT\n"
    "tMsIuN9PqiGItXeQ8L+byTtONTWn/X62Rb79zsvkmyJEwnmDTE4fUhVfbOXn+XxI\n"
    "nEXqx0MAwS4InhzUdr/t83E2+gXU90VpTg37s+PKJtOF7XdxzurPWSRc6iaBxNul\n"
    "bP0cvjnr4AGjkPb71f5MOfWXhg==\n"
    "-----END PRIVATE KEY-----\n";

#endif
