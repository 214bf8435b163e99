/* Runs weir doctor and looks for one finding. */
#ifndef WEIR_TESTS_SUPPORT_DOCTOR_H
#define WEIR_TESTS_SUPPORT_DOCTOR_H

/* It has to exit by `code` and to find something of that level and check about `about`, in a
 * sentence with that text; else the test fails and shows all findings. */
void expect_finding(int code, const char *level, const char *check, const char *about,
                    const char *text);
/* It has to exit by 0 and to find nothing but what is "ok". */
void expect_all_ok(void);
/* Nothing that is not "ok" may be found of that check, whatever the exit code. */
void expect_nothing_of(const char *check);

#endif
