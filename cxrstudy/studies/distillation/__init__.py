"""Study 09: students that learn a teacher's labels of reports."""
