"""What kinds of tasks share: data sets, multiple choice, text-to-SQL, pictures, several turns."""
